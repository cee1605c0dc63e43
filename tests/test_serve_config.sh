# Settings of `minerva serve` from flags, environment and file; keys; TLS; the log.
. tests/shell.sh
export MINERVA_HOME="$tmp/home"
mkdir -p "$MINERVA_HOME"
S="timeout 60 $MINERVA serve"
fails() { if "$@" >/dev/null 2>&1; then return 1; fi; }
setting() { printf '%s\n' "$1" | sed -n "s/^    \"$2\": \([^,]*\),*$/\1/p" | head -1; }

begin a_setting_means_the_same_from_all_sources_and_the_nearest_wins
echo '{"other": 1, "serve": {"queue": 3, "parallel": 3, "drain": 3, "on_demand": true, "allow_host": ["a", "b"]}}' \
    > "$MINERVA_HOME/config.json"
out=$(MINERVA_SERVE_QUEUE=4 MINERVA_SERVE_PARALLEL=4 $S --print-config --queue 5)
check "exit code 0" same 0 $?
check "flag" same 5 "$(setting "$out" queue)"
check "environment" same 4 "$(setting "$out" parallel)"
check "file" same 3 "$(setting "$out" drain)"
check "default" same 11434 "$(setting "$out" port)"
check "a flag of the file" same true "$(setting "$out" on_demand)"
out=$(MINERVA_SERVE_ALLOW_HOST=x,y $S --print-config --on-demand)
check "lists are replaced" contains "$(echo $out)" '"allow_host": [ "x", "y" ]'
$S --print-config > "$tmp/again.json"
out=$($S --config "$tmp/again.json" --print-config)
check "what is printed can be read" same "$(sed '/"from"/,$d' "$tmp/again.json")" "$(printf '%s\n' "$out" | sed '/"from"/,$d')"
end

# refused TEXT ARGS...: exit code 2 and an error line with TEXT
refused() {
    text=$1; shift
    err=$("$@" 2>&1 >/dev/null)
    check "exit code 2: $text" same 2 $?
    check "the reason: $text" contains "$err" "$text"
}
begin what_is_no_setting_is_refused
for bad in '{"serve": {"prot": 1}}|there is no setting "prot"' '{"serve": {"port": "x"}}|a number expected' \
    '{"serve": {"on_demand": 1}}|true or false expected' '{"serve": {"key": {}}}|an array' \
    '{"serve": 1}|an object expected' '{"serve": {"port": 1, "port": 2}}|duplicate' '{"serve":|line 1' \
    '{"serve": {"print_config": true}}|there is no setting' '{"serve": {"port": 70000}}|0 to 65535' \
    '{"serve": {"memory": "4X"}}|with K, M or G' '{"serve": {"log_level": "loud"}}|debug expected'; do
    printf '%s' "${bad%|*}" > "$tmp/bad.json"
    refused "${bad#*|}" $S --config "$tmp/bad.json"
done
refused "MINERVA_SERVE_PROT: there is no such setting" env MINERVA_SERVE_PROT=1 $S
refused "MINERVA_SERVE_PORT" env MINERVA_SERVE_PORT=x $S
refused "unable to open" $S --config "$tmp/nowhere.json"
end

begin a_server_that_others_reach_needs_a_key
for host in 0.0.0.0 ::; do
    err=$($S --host $host --port 0 2>&1)
    check "$host" contains "$err" "a key expected"
done
end

rm "$MINERVA_HOME/config.json"
if ! command -v curl >/dev/null || [ ! -r models/minerva-nano.gguf ]; then
    skip_test keys_are_kept_as_digests "curl or the bundled model is not there"
    finish
fi
status() { curl -sk -o "$tmp/body" -w '%{http_code}' "$@"; }

begin keys_are_kept_as_digests
out=$($S --new-key bob)
secret=$(printf '%s\n' "$out" | sed -n 2p | tr -d ' ')
line=$(printf '%s\n' "$out" | sed -n 4p | tr -d ' ')
printf '# keys\n%s\nalice:a-plain-secret\n' "$line" > "$tmp/keys"
check "the digest is not the secret" fails contains "$line" "$secret"
serve models/minerva-nano.gguf --key-file "$tmp/keys" --log-format json
url=http://127.0.0.1:$port/v1/models
check "its secret" same 200 "$(status -H "Authorization: Bearer $secret" $url)"
check "a plain one" same 200 "$(status -H "X-Api-Key: a-plain-secret" $url)"
check "not the digest" same 401 "$(status -H "Authorization: Bearer ${line#*:}" $url)"
check "not the bare digest" same 401 "$(status -H "Authorization: Bearer ${line##*:}" $url)"
curl -s -o "$tmp/body" -D "$tmp/head" -H "Authorization: Bearer $secret" "$url?x=%22%0Alevel=error"
id=$(sed -n 's/^X-Request-Id: \([-0-9a-f]*\).*/\1/p' "$tmp/head")
kill $pid; wait $pid
check "exit code 0" same 0 $?
check "the log has the request's id and tenant" contains "$(grep -F "\"request\":\"$id\"" "$tmp/log")" '"tenant":"bob"'
check "every line is JSON" same 0 "$(grep -v '^minerva: serving' "$tmp/log" | grep -cv '^{"ts":"20.*}$')"
check "no secret is logged" fails contains "$(cat "$tmp/log")" "$secret"
refused "64 hexadecimal digits" sh -c "$S --key x:sha256:12 --port 0; test \$? = 1 && exit 2"
end

if ! command -v openssl >/dev/null; then
    skip_test tls_serves_and_renews "the program openssl is not there"
    finish
fi
begin tls_serves_and_renews
certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tmp/key.pem" \
        -out "$tmp/cert.pem" -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null
}
certificate
serve models/minerva-nano.gguf --tls-cert "$tmp/cert.pem" --tls-key "$tmp/key.pem" --header-timeout 1
check "trusted" same '{"status":"ok"}' "$(curl -s --cacert "$tmp/cert.pem" https://localhost:$port/health)"
out=$(curl -sN --cacert "$tmp/cert.pem" https://localhost:$port/v1/completions -H 'Content-Type: application/json' \
    -d '{"prompt": "Once upon", "max_tokens": 30, "stream": true}')
check "streams come to their end" contains "$out" 'data: [DONE]'
check "own page over TLS" same 200 "$(status -H "Origin: https://localhost:$port" https://localhost:$port/health)"
check "own page without TLS is foreign" same 403 "$(status -H "Origin: http://localhost:$port" https://localhost:$port/health)"
check "plain HTTP is not answered" fails curl -s http://localhost:$port/health
check "TLS 1.1 is refused" fails curl -sk --tls-max 1.1 https://localhost:$port/health
cp "$tmp/cert.pem" "$tmp/old.pem"; certificate
kill -HUP $pid; sleep 0.5
check "renewed" same '{"status":"ok"}' "$(curl -s --cacert "$tmp/cert.pem" https://localhost:$port/health)"
check "the old one is gone" fails curl -s --cacert "$tmp/old.pem" https://localhost:$port/health
echo rubbish > "$tmp/cert.pem"
kill -HUP $pid; sleep 0.5
check "rubbish is not taken" same 200 "$(status https://localhost:$port/health)"
kill $pid; wait $pid
check "exit code 0" same 0 $?
end
finish
