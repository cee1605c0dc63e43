# For tests written in shell: the marks that scripts/run-tests counts.
#   begin NAME; commands...; check "what" CONDITION...; end
# MINERVA and BUILD come from the runner; $tmp is a folder that is removed at the end.
set -u
MINERVA=${MINERVA:-build/minerva}
BUILD=${BUILD:-build}
SHARED=${MINERVA_TEST_SHARED:-../shared}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export MINERVA_HOME="$tmp/home"
unset MINERVA_MODEL MINERVA_CPU 2>/dev/null || true
test_name="" test_ok=1 any_failed=0

begin() { test_name=$1; test_ok=1; echo "[ RUN      ] $test_name"; }
# check WHAT COMMAND...: the command must succeed
check() {
    what=$1; shift
    if ! "$@"; then echo "$test_name: expected: $what"; test_ok=0; fi
}
same() { if [ "$1" = "$2" ]; then return 0; fi; echo "  expected: $1"; echo "  found:    $2"; return 1; }
contains() { case $1 in *"$2"*) return 0 ;; esac; echo "  expected in it: $2"; echo "  found: $1"; return 1; }
end() {
    if [ $test_ok = 1 ]; then echo "[       OK ] $test_name"
    else echo "[  FAILED  ] $test_name"; any_failed=1; fi
}
skip_test() { echo "[  SKIPPED ] $1"; echo "skipped: $1: $2"; }
finish() { exit $any_failed; }

# serve MODEL ARGS...: a server on a free port; sets $pid and $port, and ends the test program
# if it does not start.
serve() {
    : >"$tmp/log"
    "$MINERVA" serve "$@" --port 0 2>"$tmp/log" &
    pid=$!
    for i in $(seq 200); do
        port=$(sed -n 's|.*serving at https*://.*:\([0-9]*\)$|\1|p' "$tmp/log")
        [ -z "$port" ] || return 0
        sleep 0.1
    done
    cat "$tmp/log"; exit 1
}
