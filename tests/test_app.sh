# The window of `minerva app` on a display of its own: that it comes with the page, that there
# is one, what becomes of the server, what it may load, and how it is refused.
. tests/shell.sh

begin without_webkit_only_this_verb_is_missing
mkdir -p "$tmp/alone" && cp "$MINERVA" "$tmp/alone/minerva"
out=$("$tmp/alone/minerva" app 2>&1); code=$?
check "exit code 1" same 1 "$code"
check "one line that says why" contains "$out" "built without WebKitGTK"
check "and what to do" contains "$out" "minerva serve"
check "one line" same 1 "$(echo "$out" | wc -l)"
if command -v ldd >/dev/null; then
    check "the program itself is not linked with it" sh -c "! ldd '$MINERVA' | grep -qi 'webkit\|gtk'"
fi
end

missing=""
[ -x "$BUILD/minerva-app" ] || missing="minerva-app (WebKitGTK)"
for program in Xvfb xwininfo curl; do command -v $program >/dev/null || missing="$missing $program"; done
[ -r models/minerva-nano.gguf ] || missing="$missing models/minerva-nano.gguf"
names="without_a_display_it_says_so the_window_shows_the_page_and_starts_and_ends_its_server
       a_killed_window_takes_its_server_along a_server_that_runs_already_stays
       no_other_program_is_shown no_other_origin_is_loaded"
if [ -n "$missing" ]; then
    for name in $names; do skip_test $name "not there: $missing"; done
    finish
fi

begin without_a_display_it_says_so
out=$(env -u DISPLAY -u WAYLAND_DISPLAY "$MINERVA" app 2>&1); code=$?
check "exit code 1" same 1 "$code"
check "a line" contains "$out" "a display expected"
end

Xvfb -displayfd 3 -screen 0 1100x760x24 -nolisten tcp 3>"$tmp/display" >"$tmp/xvfb" 2>&1 &
xvfb=$!
for i in $(seq 100); do [ -s "$tmp/display" ] && break; sleep 0.1; done
export DISPLAY=":$(cat "$tmp/display")"

# How many windows have this title.
titled() { xwininfo -root -tree 2>/dev/null | grep -c "\"$1\": (\"minerva\" \"Minerva\")"; }
# eventually COMMAND...: within 30 s
eventually() { for i in $(seq 300); do "$@" && return 0; sleep 0.1; done; return 1; }
open_app() { "$MINERVA" app --port "$port" "$@" 2>"$tmp/app.log" & app=$!; }
one_window() { [ "$(titled Minerva)" = 1 ]; }
page_ran() { grep -q 'path=/v1/models status=200' "$1"; }
quiet_port() { ! curl -s -m 2 -o /dev/null "http://127.0.0.1:$port/health"; }
# Proportional memory of a process and its children but the server, in MB.
memory_of() {
    for p in $1 $(ps -o pid= --ppid "$1"); do
        grep -qx minerva "/proc/$p/comm" || cat "/proc/$p/smaps_rollup"
    done 2>/dev/null | awk '/^Pss:/ { kb += $2 } END { print int(kb / 1024) }'
}

light() { mb=$(memory_of "$app"); [ "$mb" -gt 20 ] && [ "$mb" -lt 250 ]; }

# A port that was free a moment ago.
serve models/minerva-nano.gguf; kill "$pid"; wait "$pid"

begin the_window_shows_the_page_and_starts_and_ends_its_server
open_app models/minerva-nano.gguf
check "a window with the page's title" eventually one_window
check "the page at work" eventually page_ran "$tmp/app.log"
"$MINERVA" app --port "$port"; code=$?
check "a second call ends well" same 0 "$code"
check "and there is one window still" one_window
if command -v ps >/dev/null; then
    # The page's first drawing takes more than the page.
    check "under 250 MB" eventually light
    echo "memory of the window, its web and its network process together: $mb MB"
fi
kill "$app"; wait "$app"; code=$?
check "closed well" same 0 "$code"
check "its server is gone" quiet_port
end

begin a_killed_window_takes_its_server_along
open_app
check "a window" eventually one_window
kill -9 "$app"; wait "$app" 2>/dev/null
check "the server ends" eventually quiet_port
open_app
check "the lock of the killed one does not hold" eventually one_window
kill "$app"; wait "$app"
end

begin a_server_that_runs_already_stays
serve models/minerva-nano.gguf
open_app
check "a window" eventually one_window
check "the page from that server" eventually page_ran "$tmp/log"
kill "$app"; wait "$app"
check "the server stays" curl -s -o /dev/null "http://127.0.0.1:$port/health"
kill "$pid"; wait "$pid"
end

if ! command -v node >/dev/null; then
    skip_test no_other_program_is_shown "node is not there"
    skip_test no_other_origin_is_loaded "node is not there"
else
    # A page that tries to leave and to load from elsewhere; `elsewhere` writes down who asks.
    cat >"$tmp/stub.mjs" <<'JS'
import { createServer } from "node:http";
import { createHash } from "node:crypto";
const ours = process.argv[2] === "ours";
const script = to => `for (const u of ["img", "frame"]) { const e = document.createElement(u === "img" ? "img" : "iframe"); e.src = "${to}" + u; document.body.append(e); }
fetch("${to}fetch").catch(() => 0); window.open("${to}open"); setTimeout(() => { location.href = "${to}leave"; }, 300); setTimeout(() => fetch("/stayed"), 1500);`;
const elsewhere = createServer((q, r) => { console.log("asked " + q.url); r.end("x"); });
elsewhere.listen(0, "127.0.0.1", () => {
    const code = script(`http://127.0.0.1:${elsewhere.address().port}/`);
    const hash = createHash("sha256").update(code).digest("base64");
    const policy = `default-src 'none'; script-src 'sha256-${hash}'; img-src *; frame-src *; connect-src *`;
    const page = createServer((q, r) => {
        if (q.url === "/stayed") console.log("stayed");
        r.writeHead(200, ours ? { "Content-Type": "text/html", "Content-Security-Policy": policy } : {});
        r.end(`<title>Stub</title><body><script>${code}</script>`);
    });
    page.listen(0, "127.0.0.1", () => console.log("port " + page.address().port));
});
JS
    stub() {
        node "$tmp/stub.mjs" "$1" >"$tmp/stub" & stub=$!
        eventually grep -q ^port "$tmp/stub"
        port=$(sed -n 's/^port //p' "$tmp/stub")
    }
    begin no_other_program_is_shown
    stub stranger
    out=$("$MINERVA" app --port "$port" 2>&1); code=$?
    check "exit code 1" same 1 "$code"
    check "a line" contains "$out" "another program answers there"
    kill "$stub"; wait "$stub" 2>/dev/null
    end

    begin no_other_origin_is_loaded
    stub ours
    open_app
    check "the page stays where it is" eventually grep -q stayed "$tmp/stub"
    check "its title, in one window" same 1 "$(titled Stub)"
    check "nobody else was asked" sh -c "! grep '^asked' '$tmp/stub'"
    kill "$app"; wait "$app"
    kill "$stub"; wait "$stub" 2>/dev/null
    end
fi
kill "$xvfb"; wait "$xvfb" 2>/dev/null
finish
