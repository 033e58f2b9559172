// c-ares 1.18 or later.
#include <ares.h>
#include <arpa/nameser.h>
