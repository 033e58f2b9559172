// libnghttp2 1.52 or later.
#include <nghttp2/nghttp2.h>
