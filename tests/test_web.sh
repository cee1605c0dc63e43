# The web page: that the committed file is what its sources make, how it is served, and, where
# npm's playwright-core and a Chromium are, a walk through it.
. tests/shell.sh

begin the_committed_page_is_made_of_these_sources
# What web/stamp.mjs writes when `npm run build` is done in web/.
stamp=$(cd web && { find src -type f; printf '%s\n' index.html package.json package-lock.json \
    stamp.mjs svelte.config.js tsconfig.json vite.config.ts; } | LC_ALL=C sort \
    | xargs sha256sum | sha256sum | cut -d' ' -f1)
check "web/dist/index.html to say sources $stamp" grep -q "<!-- sources $stamp -->" web/dist/index.html
check "no other origin in it" sh -c "! grep -oE '(src|href)=\"https?://' web/dist/index.html"
check "under 900 KB compressed" [ "$(gzip -9c web/dist/index.html | wc -c)" -lt 900000 ]
end

if ! command -v curl >/dev/null || [ ! -r models/minerva-nano.gguf ]; then
    skip_test the_page_is_served_with_its_policy "curl or the bundled model is not there"
    finish
fi
begin the_page_is_served_with_its_policy
serve models/minerva-nano.gguf
curl -s --compressed -D "$tmp/head" -o "$tmp/page" "http://127.0.0.1:$port/"
check "the very page" cmp "$tmp/page" web/dist/index.html
check "a policy" grep -q "^Content-Security-Policy: default-src 'none'; script-src 'sha256-" "$tmp/head"
check "no frames" grep -q "frame-ancestors 'none'" "$tmp/head"
etag=$(sed -n 's/^ETag: \(.*\)\r$/\1/p' "$tmp/head")
check "304 when known" same 304 "$(curl -s --compressed -o /dev/null -w '%{http_code}' -H "If-None-Match: $etag" "http://127.0.0.1:$port/")"
check "406 without gzip" same 406 "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/")"
end

modules=${MINERVA_TEST_NODE_MODULES:-node_modules}
chromium=$(command -v chromium || command -v chromium-browser || true)
if ! command -v node >/dev/null || [ ! -d "$modules/playwright-core" ] || [ -z "$chromium" ]; then
    skip_test the_page_works_in_a_browser "node, npm package playwright-core (MINERVA_TEST_NODE_MODULES) or chromium is not there"
else
    begin the_page_works_in_a_browser
    cp tests/peers/web.mjs "$tmp/"
    ln -s "$(cd "$modules" && pwd)" "$tmp/node_modules"
    (cd "$tmp" && CHROMIUM="$chromium" node web.mjs "http://127.0.0.1:$port" >"$tmp/out" 2>&1) || { cat "$tmp/out"; test_ok=0; }
    for step in first_start chat_streams stop edit_branches regenerate schema search_finds kept_after_reload two_tabs models_page server_page accessible stays_on_origin; do
        check "$step" grep -qx "ok $step" "$tmp/out"
    done
    grep "^failed" "$tmp/out"
    end
fi
kill "$pid"; wait "$pid"
finish
