#!/bin/bash
# libFuzzer on each parser for FUZZ_SECONDS; or `fuzz.sh head response` for some of them.
#
# New inputs are kept in .build/fuzz/<parser>, what breaks a property in .build/fuzz/broken. Make
# a vector of that, and put the file into Corpus, where `make test` judges it from then on.
# FUZZ_MERGE=1 adds to Corpus the new inputs that reach code nothing else in it reaches.
set -eu
cd "$(dirname "$0")/../.."
seconds=${FUZZ_SECONDS:-60}
scratch=.build/fuzz
corpus=Tests/FuzzTests/Corpus
swift=${SWIFT:-swift}

"$swift" build --scratch-path "$scratch" -c release --target FuzzProperties \
    --explicit-target-dependency-import-check error -Xswiftc -sanitize=fuzzer,address
objects=()
for room in Timing Memory Linux HTTP HTTP1 HTTP2 Preamble FuzzProperties; do
    objects+=("$scratch/release/$room.build"/*.o)
done
"$swift"c -O -parse-as-library -sanitize=fuzzer,address -I "$scratch/release/Modules" \
    -I Sources/CLinux -I Sources/CNGHTTP2 -lnghttp2 Tests/FuzzTests/Entries/Entry.swift "${objects[@]}" -o "$scratch/fuzz"

# libFuzzer tells what happened; Swift's own report of it would only come in between.
export SWIFT_BACKTRACE=enable=no
mkdir -p "$scratch/broken"
for parser in "${@:-head response chunked http2-request http2-response proxy-header}"; do
    for name in $parser; do
        mkdir -p "$scratch/$name"
        echo "=== $name, $seconds s"
        FUZZ_PARSER=$name "$scratch/fuzz" -max_total_time="$seconds" -max_len=4096 \
            -timeout=10 -print_final_stats=1 -verbosity=1 -dict=Tests/FuzzTests/http.dict \
            -artifact_prefix="$scratch/broken/$name-" "$scratch/$name" "$corpus/$name" \
            2>&1 | grep -v -E '^#[0-9]+.*(NEW|REDUCE|pulse)|NEW_FUNC'
        if [ "${FUZZ_MERGE:-0}" = 1 ]; then
            FUZZ_PARSER=$name "$scratch/fuzz" -merge=1 -set_cover_merge=1 \
                -use_counters=0 -max_len=1024 \
                "$corpus/$name" "$scratch/$name" 2>&1 | tail -n 1
        fi
    done
done
