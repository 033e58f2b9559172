#!/bin/sh
# Writes config/scenarios into the program, so that an installed one finds them by name.
# A test compares both.
set -eu
cd "$(dirname "$0")/../.."
target=Sources/Scenarios/StandardScenarios+Texts.swift
{
    echo '// swift-format-ignore-file'
    echo '// Written by Tests/Support/embed-scenarios.sh from config/scenarios; `make scenarios`.'
    echo
    echo 'extension StandardScenarios {'
    echo '    static let texts: [(name: String, text: String)] = ['
    for name in uniform mixed-cost mixed-speed one-slow half-slow antagonist sinkhole hang \
        scale-out scale-in rolling burst workers hot-key; do
        printf '("%s", #"""\n' "$name"
        cat "config/scenarios/$name.yaml"
        echo
        echo '"""#),'
    done
    echo '    ]'
    echo '}'
} >"$target"
