/* `minerva serve` as clients meet it: answers, streams, limits, refusals, its end.
 *
 * One server with two models (stories260k without a chat template, Minerva Nano with one)
 * serves most tests; those about keys, queues and signals start their own.  What concerns
 * every route goes through /openapi.json, so that a new route is tested by being there. */
#include "tests/http_client.h"

static test_server main_server;
#define PORT main_server.port
#define NANO "\"model\":\"minerva-nano\""
#define TALE "\"model\":\"stories260k\",\"prompt\":\"Once upon a time\""
#define HELLO NANO ",\"messages\":[{\"role\":\"user\",\"content\":\"Hello, who are you?\"}]"
#define STORY ", there was a little girl named Lily"

static const char *const models[] = { "tests/data/models/stories260k.gguf",
                                      "models/minerva-nano.gguf", NULL };

static int start_main(void **state)
{
    server_start(&main_server, models);
    return 0;
}

static int stop_main(void **state)
{
    int code = server_stop(&main_server, SIGTERM, 40);
    if (code) printf("the server ended with %d\n", code);
    return code;
}

/* ---- answers ----------------------------------------------------------------------- */

static void models_are_listed_and_described(void **state)
{
    json_t *v = json_of(ask(PORT, "/v1/models", NULL), 200);
    assert_string_equal("stories260k", text_at(v, "data.0.id"));
    assert_int_equal(512, int_at(v, "data.0.context_length"));
    assert_string_equal("minerva-nano", text_at(v, "data.1.id"));
    json_decref(v);
    v = json_of(ask(PORT, "/v1/models/minerva%2dnano", NULL), 200);
    assert_string_equal("minerva-nano", text_at(v, "id"));
    json_decref(v);
    v = json_of(ask(PORT, "/v1/models/nobody", NULL), 404);
    assert_non_null(strstr(text_at(v, "error.message"), "nobody"));
    json_decref(v);
}

static void completions_tell_the_known_story_and_count(void **state)
{
    json_t *v = json_of(ask(PORT, "/v1/completions",
                            "{" TALE ",\"max_tokens\":10,\"temperature\":0}"), 200);
    assert_string_equal(STORY, text_at(v, "choices.0.text"));
    assert_string_equal("length", text_at(v, "choices.0.finish_reason"));
    assert_int_equal(5, int_at(v, "usage.prompt_tokens"));
    assert_int_equal(10, int_at(v, "usage.completion_tokens"));
    assert_int_equal(15, int_at(v, "usage.total_tokens"));
    json_decref(v);
    v = json_of(ask(PORT, "/v1/completions",
                    "{" TALE ",\"max_tokens\":10,\"temperature\":0,\"echo\":true}"), 200);
    assert_string_equal("Once upon a time" STORY, text_at(v, "choices.0.text"));
    assert_true(int_at(v, "usage.prompt_tokens_details.cached_tokens") > 0);
    json_decref(v);
}

static void a_prompt_may_be_token_ids(void **state)
{
    json_t *v = json_of(ask(PORT, "/tokenize", "{\"model\":\"stories260k\",\"add_special\":true,"
                                               "\"content\":\"Once upon a time\"}"), 200);
    char *ids = json_dumps(at(v, "tokens"), 0), *body;
    json_decref(v);
    assert_true(asprintf(&body, "{\"model\":\"stories260k\",\"prompt\":%s,\"max_tokens\":10,"
                                "\"temperature\":0}", ids) > 0);
    v = json_of(ask(PORT, "/v1/completions", body), 200);
    assert_string_equal(STORY, text_at(v, "choices.0.text"));
    json_decref(v);
    free(body);
    assert_true(asprintf(&body, "{\"model\":\"stories260k\",\"tokens\":%s}", ids) > 0);
    v = json_of(ask(PORT, "/detokenize", body), 200);
    assert_non_null(strstr(text_at(v, "content"), "Once upon a time"));
    json_decref(v);
    free(body);
    free(ids);
}

static void a_repeated_chat_is_the_same_and_comes_from_the_cache(void **state)
{
    static const char body[] = "{" HELLO ",\"max_tokens\":12,\"temperature\":0}";
    json_t *a = json_of(ask(PORT, "/v1/chat/completions", body), 200);
    json_t *b = json_of(ask(PORT, "/v1/chat/completions", body), 200);
    assert_string_equal("assistant", text_at(a, "choices.0.message.role"));
    assert_non_null(strstr(text_at(a, "choices.0.message.content"), "Minerva"));
    assert_string_equal(text_at(a, "choices.0.message.content"),
                        text_at(b, "choices.0.message.content"));
    assert_int_equal(int_at(b, "usage.prompt_tokens"),
                     int_at(b, "usage.prompt_tokens_details.cached_tokens"));
    json_decref(a);
    json_decref(b);
}

/* The text of one choice of a stream, and what else must be in it. */
static char *streamed_text(const char *stream, int index, bool chat, const char *finish)
{
    char *all = strdup("");
    bool ended = false;
    json_t *v;
    while ((v = next_event(&stream))) {
        json_t *c = at(v, "choices.0");
        if (c && int_at(c, "index") == index) {
            const char *piece = json_string_value(at(c, chat ? "delta.content" : "text"));
            assert_false(ended);
            if (piece) {
                all = realloc(all, strlen(all) + strlen(piece) + 1);
                strcat(all, piece);
            }
            if (json_is_string(at(c, "finish_reason"))) {
                assert_string_equal(finish, text_at(c, "finish_reason"));
                ended = true;
            }
        }
        json_decref(v);
    }
    assert_true(ended);
    assert_non_null(strstr(stream, "data: [DONE]\n\n"));
    return all;
}

static void streams_carry_the_same_text_as_whole_answers(void **state)
{
    json_t *v = json_of(ask(PORT, "/v1/chat/completions",
                            "{" HELLO ",\"max_tokens\":30,\"temperature\":0}"), 200);
    reply r = ask(PORT, "/v1/chat/completions", "{" HELLO ",\"max_tokens\":30,\"temperature\":0,"
                  "\"n\":3,\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
    assert_int_equal(200, r.status);
    assert_true(r.whole);
    assert_non_null(strstr(r.head, "text/event-stream"));
    for (int i = 0; i < 3; i++) {
        char *text = streamed_text(r.body, i, true, text_at(v, "choices.0.finish_reason"));
        assert_string_equal(text_at(v, "choices.0.message.content"), text);
        free(text);
    }
    const char *usage = strstr(r.body, "\"usage\":{");
    assert_non_null(usage);
    assert_null(strstr(usage + 1, "\"usage\":{"));
    reply_clear(&r);
    json_decref(v);
    r = ask(PORT, "/v1/completions", "{" TALE ",\"max_tokens\":10,\"temperature\":0,"
                                     "\"stream\":true}");
    char *text = streamed_text(r.body, 0, false, "length");
    assert_string_equal(STORY, text);
    free(text);
    reply_clear(&r);
}

static void stop_strings_end_answers(void **state)
{
    json_t *v = json_of(ask(PORT, "/v1/completions", "{" TALE ",\"max_tokens\":100,"
                            "\"temperature\":0,\"stop\":[\"nowhere\",\" Lily\"]}"), 200);
    assert_string_equal(", there was a little girl named", text_at(v, "choices.0.text"));
    assert_string_equal("stop", text_at(v, "choices.0.finish_reason"));
    json_decref(v);
}

static void logprobs_belong_to_the_tokens_of_the_text(void **state)
{
    char all[200] = "";
    json_t *v = json_of(ask(PORT, "/v1/completions", "{" TALE ",\"max_tokens\":10,"
                            "\"temperature\":0,\"logprobs\":3}"), 200);
    for (size_t i = 0; i < 10; i++) {
        json_t *p = at(v, "choices.0.logprobs");
        strcat(all, json_string_value(json_array_get(at(p, "tokens"), i)));
        double own = json_number_value(json_array_get(at(p, "token_logprobs"), i));
        assert_true(own <= 0);
        const char *name;
        json_t *other;
        assert_int_equal(3, json_object_size(json_array_get(at(p, "top_logprobs"), i)));
        json_object_foreach(json_array_get(at(p, "top_logprobs"), i), name, other)
            assert_true(json_number_value(other) <= own + 1e-6);
    }
    assert_string_equal(STORY, all);
    json_decref(v);
    v = json_of(ask(PORT, "/v1/chat/completions", "{" HELLO ",\"max_tokens\":5,\"temperature\":0,"
                    "\"logprobs\":true,\"top_logprobs\":2}"), 200);
    assert_int_equal(5, json_array_size(at(v, "choices.0.logprobs.content")));
    assert_string_equal(text_at(v, "choices.0.logprobs.content.0.token"),
                        text_at(v, "choices.0.logprobs.content.0.top_logprobs.0.token"));
    json_decref(v);
}

static void equal_seeds_give_equal_answers(void **state)
{
    static const char body[] = "{" TALE ",\"max_tokens\":30,\"temperature\":1,\"seed\":%d,\"n\":2}";
    char text[300];
    json_t *v[3];
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof text, body, i == 2 ? 8 : 7);
        v[i] = json_of(ask(PORT, "/v1/completions", text), 200);
    }
    assert_string_equal(text_at(v[0], "choices.0.text"), text_at(v[1], "choices.0.text"));
    assert_string_equal(text_at(v[0], "choices.1.text"), text_at(v[1], "choices.1.text"));
    assert_string_not_equal(text_at(v[0], "choices.0.text"), text_at(v[0], "choices.1.text"));
    assert_string_not_equal(text_at(v[0], "choices.0.text"), text_at(v[2], "choices.0.text"));
    for (int i = 0; i < 3; i++) json_decref(v[i]);
}

static void embeddings_have_length_one_in_either_form(void **state)
{
    json_t *v = json_of(ask(PORT, "/v1/embeddings", "{\"model\":\"stories260k\",\"input\":"
                            "[\"Once upon a time\",\"Once upon a time\",\"Lily\"]}"), 200);
    json_t *a = at(v, "data.0.embedding");
    double length = 0;
    assert_int_equal(64, json_array_size(a));
    for (size_t i = 0; i < 64; i++) {
        double x = json_number_value(json_array_get(a, i));
        length += x * x;
    }
    assert_float_equal(1, length, 1e-5);
    assert_true(json_equal(a, at(v, "data.1.embedding")));
    assert_false(json_equal(a, at(v, "data.2.embedding")));
    json_decref(v);
    v = json_of(ask(PORT, "/v1/embeddings", "{\"model\":\"stories260k\",\"input\":[1,403],"
                    "\"encoding_format\":\"base64\",\"pooling\":\"last\",\"dimensions\":4}"), 200);
    assert_int_equal(24, strlen(text_at(v, "data.0.embedding")));
    assert_int_equal(2, int_at(v, "usage.prompt_tokens"));
    json_decref(v);
    v = json_of(ask(PORT, "/v1/embeddings", "{\"model\":\"stories260k\",\"input\":[[9999]]}"), 400);
    assert_string_equal("input", text_at(v, "error.param"));
    json_decref(v);
}

#define ABOUT_CATS "\"model\":\"stories260k\",\"query\":\"Lily saw a cat\",\"documents\":" \
    "[\"9 + 9 = 18\",{\"text\":\"Lily saw a cat\"},\"Lily saw a dog\"]"

static void documents_are_ranked_by_the_cosine_of_their_embeddings(void **state)
{
    json_t *v = json_of(ask(PORT, "/v1/rerank", "{" ABOUT_CATS ",\"return_documents\":true}"), 200);
    json_t *e = json_of(ask(PORT, "/v1/embeddings", "{\"model\":\"stories260k\",\"input\":"
                            "[\"Lily saw a cat\",\"9 + 9 = 18\",\"Lily saw a cat\","
                            "\"Lily saw a dog\"]}"), 200);
    assert_int_equal(3, json_array_size(at(v, "results")));
    assert_int_equal(1, int_at(v, "results.0.index"));
    assert_int_equal(2, int_at(v, "results.1.index"));
    assert_int_equal(0, int_at(v, "results.2.index"));
    assert_string_equal("Lily saw a dog", text_at(v, "results.1.document.text"));
    assert_int_equal(int_at(e, "usage.prompt_tokens"), int_at(v, "usage.total_tokens"));
    for (size_t i = 0; i < 3; i++) {
        json_t *r = json_array_get(at(v, "results"), i), *all = at(e, "data");
        json_t *a = at(json_array_get(all, 0), "embedding");
        json_t *b = at(json_array_get(all, (size_t)int_at(r, "index") + 1), "embedding");
        double sum = 0;
        for (size_t k = 0; k < json_array_size(a); k++)
            sum += json_number_value(json_array_get(a, k)) * json_number_value(json_array_get(b, k));
        assert_float_equal(sum, json_number_value(at(r, "relevance_score")), 1e-5);
    }
    json_decref(e);
    json_decref(v);
    v = json_of(ask(PORT, "/rerank", "{" ABOUT_CATS ",\"top_n\":1}"), 200);
    assert_int_equal(1, json_array_size(at(v, "results")));
    assert_int_equal(1, int_at(v, "results.0.index"));
    assert_null(at(v, "results.0.document"));
    json_decref(v);
}

static void what_cannot_be_ranked_is_refused_by_name(void **state)
{
    static const struct { const char *body, *param; } bad[] = {
        { "{\"model\":\"stories260k\",\"documents\":[\"a\"]}", "query" },
        { "{\"model\":\"stories260k\",\"query\":\"\",\"documents\":[\"a\"]}", "query" },
        { "{\"model\":\"stories260k\",\"query\":\"a\"}", "documents" },
        { "{\"model\":\"stories260k\",\"query\":\"a\",\"documents\":[]}", "documents" },
        { "{\"model\":\"stories260k\",\"query\":\"a\",\"documents\":[\"a\",1]}", "documents" },
        { "{\"model\":\"stories260k\",\"query\":\"a\",\"documents\":[[1]]}", "documents" },
        { "{\"model\":\"stories260k\",\"query\":\"a\",\"documents\":[{\"image\":\"a\"}]}", "documents" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *v = json_of(ask(PORT, "/v1/rerank", bad[i].body), 400);
        assert_string_equal(bad[i].param, text_at(v, "error.param"));
        json_decref(v);
    }
    char *body = malloc(20000);
    size_t n = (size_t)sprintf(body, "{\"model\":\"stories260k\",\"query\":\"a\",\"documents\":[\"");
    for (int i = 0; i < 3000; i++) n += (size_t)sprintf(body + n, "cat ");
    strcpy(body + n, "\"]}");
    json_t *v = json_of(ask(PORT, "/v1/rerank", body), 400);
    assert_non_null(strstr(text_at(v, "error.message"), "512"));
    json_decref(v);
    strcpy(body + n, "\"],\"truncate\":true}");
    v = json_of(ask(PORT, "/v1/rerank", body), 200);
    json_decref(v);
    free(body);
}

static void templates_show_the_prompt(void **state)
{
    json_t *v = json_of(ask(PORT, "/apply-template", "{" HELLO "}"), 200);
    assert_non_null(strstr(text_at(v, "prompt"), "Hello, who are you?"));
    json_decref(v);
    v = json_of(ask(PORT, "/v1/chat/completions",
                    "{\"model\":\"stories260k\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"),
                400);
    assert_non_null(strstr(text_at(v, "error.message"), "template"));
    json_decref(v);
}

/* ---- parameters -------------------------------------------------------------------- */

/* A body that is right but for what is added to it. */
static const char *body_for(const char *path)
{
    if (!strcmp(path, "/api/chats/import")) return "{\"chats\":[]";
    if (strstr(path, "/api/chats")) return "{\"title\":\"a\"";
    if (strstr(path, "/api/models/")) return "{\"model\":\"stories260k\"";
    if (!strcmp(path, "/v1/responses"))
        return "{" NANO ",\"input\":\"Hello\",\"max_output_tokens\":1";
    if (!strcmp(path, "/api/chat") || !strcmp(path, "/api/generate"))
        return "{" NANO ",\"stream\":false,\"options\":{\"num_predict\":1}";
    if (!strncmp(path, "/api/embed", 10)) return "{\"model\":\"stories260k\",\"input\":\"a\",\"prompt\":\"a\"";
    if (!strcmp(path, "/api/show")) return "{" NANO;
    if (strstr("/api/pull /api/push /api/create /api/copy", path)) return "{\"model\":\"x\"";
    if (strstr(path, "count_tokens")) return "{" HELLO;
    if (!strcmp(path, "/v1/messages")) return "{" HELLO ",\"max_tokens\":1";
    if (strstr(path, "chat")) return "{" HELLO ",\"max_tokens\":1";
    if (strstr(path, "completions")) return "{" TALE ",\"max_tokens\":1";
    if (strstr(path, "rerank"))
        return "{\"model\":\"stories260k\",\"query\":\"a\",\"documents\":[\"a\"]";
    if (strstr(path, "embeddings")) return "{\"model\":\"stories260k\",\"input\":\"a\"";
    if (strstr(path, "detokenize")) return "{\"tokens\":[1]";
    if (strstr(path, "tokenize")) return "{\"content\":\"a\"";
    if (strstr(path, "template")) return "{" HELLO;
    fail_msg("%s: a new route: say here what a right body is", path);
    return NULL;
}

static int64_t try_value(const char *path, const char *name, const char *value, char *param)
{
    char *body;
    /* The later of two equal members would be refused as a duplicate. */
    const char *base = body_for(path);
    if (!strcmp(name, "max_output_tokens")) base = "{" NANO ",\"input\":\"Hello\",\"store\":false";
    if (!strcmp(name, "max_tokens")) base = strstr(path, "messages") ? "{" HELLO : strstr(path, "chat") ? "{" HELLO ",\"n\":1" : "{" TALE ",\"n\":1";
    const char *extra = !strcmp(name, "top_logprobs") && strstr(path, "chat") ? ",\"logprobs\":true" : "";
    assert_true(asprintf(&body, "%s%s,\"%s\":%s}", base, extra, name, value) > 0);
    reply r = ask(PORT, path, body);
    json_t *v = json_loads(r.body, 0, NULL);
    const char *p = json_string_value(at(v, "error.param"));
    /* Other vendors' errors have no such member, but their message begins with the name. */
    const char *message = json_string_value(at(v, "error.message"));
    if (!message) message = json_string_value(at(v, "error"));
    if (!p && message) snprintf(param, 64, "%.*s", (int)strcspn(message, ":"), message);
    else snprintf(param, 64, "%s", p ? p : "");
    int status = r.status;
    free(body);
    json_decref(v);
    reply_clear(&r);
    return status;
}

static void expect_refusal(const char *path, const char *name, const char *value)
{
    char param[64];
    int64_t status = try_value(path, name, value, param);
    if (status != 400 || strcmp(param, name))
        fail_msg("%s with %s: %s: 400 naming it expected, %d naming \"%s\" found", path, name, value,
                 (int)status, param);
}

static void check_number(const char *path, const char *name, json_t *schema)
{
    char value[64], param[64];
    json_t *lo = at(schema, "minimum"), *hi = at(schema, "maximum");
    bool whole = !strcmp(text_at(schema, "type"), "integer");
    expect_refusal(path, name, "\"1\"");
    expect_refusal(path, name, "[1]");
    expect_refusal(path, name, "true");
    expect_refusal(path, name, "1e308");
    if (whole) expect_refusal(path, name, "1.5");
    assert_int_equal(200, try_value(path, name, "null", param));
    if (!lo) return;
    for (int end = 0; end < 2; end++) {
        double v = json_number_value(end ? hi : lo);
        snprintf(value, sizeof value, whole ? "%.0f" : "%g", v);
        /* A dimension or length beyond the model's own is refused by name, too. */
        if (end == 0 || strcmp(name, "dimensions"))
            if (v < 1e9 || strncmp(name, "max_", 4))
                if (try_value(path, name, value, param) != 200)
                    fail_msg("%s with %s: %s was refused", path, name, value);
        snprintf(value, sizeof value, whole ? "%.0f" : "%g", end ? v + 1 : v - 1);
        expect_refusal(path, name, value);
    }
}

static void every_number_is_bounded_and_named(void **state)
{
    json_t *doc = json_of(ask(PORT, "/openapi.json", NULL), 200), *item, *schema;
    const char *path, *name;
    int n = 0;
    json_object_foreach(at(doc, "paths"), path, item) {
        json_t *content = at(item, "post.requestBody.content");
        json_t *properties = at(json_object_get(content, "application/json"), "schema.properties");
        json_object_foreach(properties, name, schema) {
            const char *type = json_string_value(at(schema, "type"));
            if (!type || (strcmp(type, "integer") && strcmp(type, "number"))) continue;
            check_number(path, name, schema);
            n++;
        }
    }
    assert_true(n > 25);
    json_decref(doc);
}

static void every_parameter_has_a_type_and_nothing_else_passes(void **state)
{
    json_t *doc = json_of(ask(PORT, "/openapi.json", NULL), 200), *item;
    const char *path;
    json_object_foreach(at(doc, "paths"), path, item)
        if (at(item, "post")) {
            expect_refusal(path, "no_such_thing", "1");
            expect_refusal(path, "response_formats", "{}");
        }
    json_decref(doc);
    expect_refusal("/v1/chat/completions", "tools", "{}");
    expect_refusal("/v1/chat/completions", "response_format", "{\"type\":\"json\"}");
    expect_refusal("/v1/chat/completions", "user", "1");
    expect_refusal("/v1/chat/completions", "stream", "1");
    expect_refusal("/v1/chat/completions", "stop", "[\"\"]");
    expect_refusal("/v1/chat/completions", "stop", "7");
    expect_refusal("/v1/chat/completions", "logit_bias", "[]");
    expect_refusal("/v1/chat/completions", "logit_bias", "{\"x\":1}");
    expect_refusal("/v1/chat/completions", "logit_bias", "{\"1\":1e308}");
    expect_refusal("/v1/chat/completions", "stream_options", "true");
    expect_refusal("/v1/embeddings", "pooling", "\"most\"");
}

static void messages_that_are_none_are_refused_by_name(void **state)
{
    static const char *const values[] = { "[]", "{}", "1", "\"x\"", "[1]", "[{}]", "[{\"role\":1}]",
        "[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"http://x\"}}]}]",
        "[{\"role\":\"user\",\"content\":[1]}]" };
    char body[400];
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        snprintf(body, sizeof body, "{" NANO ",\"messages\":%s}", values[i]);
        json_t *v = json_of(ask(PORT, "/v1/chat/completions", body), 400);
        assert_string_equal("messages", text_at(v, "error.param"));
        json_decref(v);
    }
    json_t *v = json_of(ask(PORT, "/v1/chat/completions", "{\"model\":\"x\",\"messages\":[]}"), 404);
    assert_string_equal("model", text_at(v, "error.param"));
    json_decref(v);
}

static void a_prompt_beyond_the_context_is_refused_with_both_numbers(void **state)
{
    size_t n = 0;
    char *body = malloc(20000);
    n += (size_t)sprintf(body, "{\"model\":\"stories260k\",\"prompt\":[1");
    for (int i = 1; i < 600; i++) n += (size_t)sprintf(body + n, ",%d", 403);
    strcpy(body + n, "]}");
    json_t *v = json_of(ask(PORT, "/v1/completions", body), 400);
    assert_non_null(strstr(text_at(v, "error.message"), "512"));
    assert_non_null(strstr(text_at(v, "error.message"), "600"));
    json_decref(v);
    free(body);
}

/* ---- hostile clients --------------------------------------------------------------- */

static void expect_raw(int status, const char *bytes)
{
    reply r = send_raw(PORT, bytes, strlen(bytes));
    if (r.status != status) fail_msg("%d expected, %d found: %s", status, r.status, bytes);
    if (status >= 400) assert_non_null(strstr(r.head, "Connection: close"));
    reply_clear(&r);
}

static void ambiguous_requests_are_refused_and_closed(void **state)
{
#define P "POST /v1/completions HTTP/1.1\r\nContent-Type: application/json\r\n"
    expect_raw(400, P "Host: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    expect_raw(400, P "Host: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ");
    expect_raw(501, P "Host: localhost\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n");
    expect_raw(400, P "Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n");
    expect_raw(400, P "Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n");
    expect_raw(400, P "Host: localhost\r\nHost: localhost\r\n\r\n");
    expect_raw(400, P "\r\n");
    expect_raw(400, "GET /health HTTP/1.1\nHost: localhost\n\n");
    expect_raw(400, "GET /health HTTP/1.1\r\nHost: localhost\r\n X: folded\r\n\r\n");
    expect_raw(400, "GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n");
    expect_raw(400, "GET http://localhost/health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect_raw(505, "GET /health HTTP/3.0\r\nHost: localhost\r\n\r\n");
    expect_raw(413, P "Host: localhost\r\nContent-Length: 33554433\r\n\r\n");
#undef P
    char *big = malloc(40000);
    int n = sprintf(big, "GET /health HTTP/1.1\r\nHost: localhost\r\nX: ");
    memset(big + n, 'a', 36000);
    strcpy(big + n + 36000, "\r\n\r\n");
    expect_raw(431, big);
    free(big);
}

/* Half a body is on its way when the answer says no: the client must still read it. */
static void a_refusal_reaches_a_client_that_is_still_sending(void **state)
{
    static const char head[] = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
                               "Content-Length: 40000000\r\n\r\n";
    client c = client_open(PORT);
    char *junk = calloc(1, 1 << 20);
    memset(junk, ' ', 1 << 20);
    assert_true(client_send(&c, head, sizeof head - 1));
    for (int i = 0; i < 8 && client_send(&c, junk, 1 << 20); i++) continue;
    reply r = client_reply(&c, true);
    assert_int_equal(413, r.status);
    reply_clear(&r);
    client_close(&c);
    free(junk);
}

static void expect_body(int status, const char *body, size_t len)
{
    char *text = malloc(len + 200);
    int n = sprintf(text, "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                          "application/json\r\nContent-Length: %zu\r\n\r\n", len);
    memcpy(text + n, body, len);
    reply r = send_raw(PORT, text, (size_t)n + len);
    if (r.status != status) fail_msg("%d expected, %d found: %.100s", status, r.status, body);
    assert_true(r.len > 10);
    reply_clear(&r);
    free(text);
}

static void bodies_that_are_no_JSON_are_refused(void **state)
{
    size_t deep = 1000000;
    char *text = malloc(deep + 10);
    static const char *const bad[] = { "", "{", "[]", "1", "{\"a\":1,\"a\":2}", "{} x", "{\"a\":1e999}",
        "{\"prompt\":\"\xff\"}", "{\"prompt\":\"\xed\xa0\x80\"}", "{\"prompt\":\"\\ud800\"}",
        "{\"\xc0\xaf\":1}", "nul", "{\"n\":99999999999999999999}" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) expect_body(400, bad[i], strlen(bad[i]));
    expect_body(400, "{\"prompt\":\"a\0b\"}", 16);
    memset(text, '[', deep);
    expect_body(400, text, deep);
    memcpy(text, "{\"a\":", 5);
    expect_body(400, text, deep);
    free(text);
    reply r = ask_with(PORT, "POST", "/v1/completions", "Content-Type: text/plain\r\n", "{}");
    assert_int_equal(415, r.status);
    reply_clear(&r);
}

static void foreign_hosts_and_origins_are_refused_on_every_route(void **state)
{
    static const char *const hostile[] = {
        "Host: evil.example\r\n", "Host: localhost.evil.example\r\n", "Host: 127.0.0.1.nip.io\r\n",
        "Host: localhost:80:80\r\n", "Host: localhost@evil\r\n", "Host: \r\n", "Host: [::1\r\n",
        "Host: localhost:x\r\n", "Host: 0\r\n", "Host: 127.1\r\n", "Host: localhost.\r\n",
        "Host: \xff\xfe\r\n",
        "Host: localhost\r\nOrigin: null\r\n", "Host: localhost\r\nOrigin: http://evil.example\r\n",
        "Host: localhost\r\nOrigin: https://localhost\r\n", "Host: localhost\r\nOrigin: \r\n",
        "Host: localhost\r\nOrigin: http://localhost.evil.example\r\n",
    };
    json_t *doc = json_of(ask(PORT, "/openapi.json", NULL), 200), *item;
    const char *path;
    json_object_foreach(at(doc, "paths"), path, item)
        for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
            bool post = at(item, "post") != NULL;
            reply r = ask_with(PORT, post ? "POST" : "GET", path, hostile[i], post ? "{}" : NULL);
            if (r.status != (strstr(hostile[i], "Origin") ? 403 : 421))
                fail_msg("%s with %s: %d", path, hostile[i], r.status);
            assert_null(strstr(r.head, "Access-Control"));
            reply_clear(&r);
        }
    json_decref(doc);
}

static void our_own_names_and_pages_are_welcome(void **state)
{
    char host[64], origin[160];
    static const char *const names[] = { "localhost", "LocalHost", "127.0.0.1", "[::1]" };
    for (size_t i = 0; i < 4; i++) {
        snprintf(host, sizeof host, "Host: %s:%d\r\n", names[i], PORT);
        snprintf(origin, sizeof origin, "%sOrigin: http://%s:%d\r\n", host, names[i], PORT);
        reply a = ask_with(PORT, "GET", "/health", host, NULL);
        reply b = ask_with(PORT, "GET", "/health", origin, NULL);
        assert_int_equal(200, a.status);
        assert_int_equal(200, b.status);
        reply_clear(&a);
        reply_clear(&b);
    }
}

static void wrong_paths_and_methods_say_so(void **state)
{
    reply r = ask(PORT, "/nowhere", NULL);
    assert_int_equal(404, r.status);
    reply_clear(&r);
    r = ask(PORT, "/v1/completions", NULL);
    assert_int_equal(405, r.status);
    reply_clear(&r);
    r = ask_with(PORT, "HEAD", "/health", "", NULL);
    assert_int_equal(200, r.status);
    assert_int_equal(0, r.len);
    reply_clear(&r);
}

/* ---- connections ------------------------------------------------------------------- */

static void pipelined_requests_are_answered_in_order(void **state)
{
    client c = client_open(PORT);
    char all[8192] = "";
    for (int i = 0; i < 20; i++) {
        char *text = request_text("GET", i % 2 ? "/health" : "/v1/models", "", NULL);
        strcat(all, text);
        free(text);
    }
    assert_true(client_send(&c, all, strlen(all)));
    for (int i = 0; i < 20; i++) {
        reply r = client_reply(&c, true);
        assert_int_equal(200, r.status);
        assert_non_null(strstr(r.body, i % 2 ? "\"ok\"" : "\"list\""));
        reply_clear(&r);
    }
    client_close(&c);
}

static void bodies_may_be_chunked_and_expected(void **state)
{
    static const char text[] = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
        "application/json; charset=utf-8\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
        "1\r\n{\r\n4f\r\n" TALE ",\"max_tokens\":3,\"temperature\":\r\n3\r\n0 }\r\n0\r\n\r\n";
    reply r = send_raw(PORT, text, sizeof text - 1);
    assert_int_equal(200, r.status);
    assert_non_null(strstr(r.body, ", there was"));
    reply_clear(&r);
}

static void a_client_that_goes_away_cancels_its_request_only(void **state)
{
    static const char body[] = "{" HELLO ",\"ignore_eos\":true,\"max_tokens\":1500,\"stream\":%s}";
    double before = metric(PORT, "minerva_requests_cancelled_total");
    for (int i = 0; i < 4; i++) {
        char text[400];
        snprintf(text, sizeof text, body, i % 2 ? "true" : "false");
        char *request = request_text("POST", "/v1/chat/completions", "", text);
        client c = client_open(PORT);
        assert_true(client_send(&c, request, strlen(request)));
        if (i % 2) assert_true(client_wait_for(&c, "\"content\":\""));
        else usleep(200000);
        client_close(&c);
        free(request);
    }
    double end = seconds() + 10;
    while (metric(PORT, "minerva_requests_cancelled_total") < before + 4 && seconds() < end)
        usleep(20000);
    assert_float_equal(before + 4, metric(PORT, "minerva_requests_cancelled_total"), 0);
    assert_float_equal(0, metric(PORT, "minerva_requests_running"), 0);
}

/* ---- servers of their own ---------------------------------------------------------- */

static void keys_are_needed_on_every_route_but_three(void **state)
{
    test_server s;
    const char *args[] = { models[0], "--key", "alice:correct-horse", "--key", "battery-staple",
                           "--allow-origin", "https://page.example", NULL };
    server_start(&s, args);
    static const char *const wrong[] = { "", "Authorization: Bearer correct-hors\r\n",
        "Authorization: Bearer correct-horse2\r\n", "Authorization: Bearer \r\n",
        "Authorization: Bearer alice:correct-horse\r\n", "Authorization: Basic correct-horse\r\n",
        "Authorization: correct-horse\r\n", "X-Api-Key: nonsense\r\n", "X-Api-Key: \r\n" };
    static const char *const right[] = { "Authorization: Bearer correct-horse\r\n",
        "Authorization: bearer battery-staple\r\n", "X-Api-Key: battery-staple\r\n" };
    json_t *doc = json_of(ask_with(s.port, "GET", "/openapi.json", right[0], NULL), 200), *item;
    const char *path;
    json_object_foreach(at(doc, "paths"), path, item) {
        bool post = at(item, "post") != NULL;
        bool open = !strcmp(path, "/") || !strcmp(path, "/health") || !strcmp(path, "/ready");
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
            reply r = ask_with(s.port, post ? "POST" : "GET", path, wrong[i], post ? "{}" : NULL);
            if ((r.status == 401) == open) fail_msg("%s with %s: %d", path, wrong[i], r.status);
            reply_clear(&r);
        }
        for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
            reply r = ask_with(s.port, post ? "POST" : "GET", path, right[i], post ? "{}" : NULL);
            if (r.status == 401) fail_msg("%s with %s: %d", path, right[i], r.status);
            reply_clear(&r);
        }
    }
    json_decref(doc);
    reply r = ask(s.port, "/nowhere", NULL);
    assert_int_equal(401, r.status);    /* what there is, is nobody's business either */
    reply_clear(&r);
    r = ask_with(s.port, "OPTIONS", "/v1/models", "Origin: https://page.example\r\n", NULL);
    assert_int_equal(204, r.status);
    assert_non_null(strstr(r.head, "Access-Control-Allow-Origin: https://page.example\r\n"));
    reply_clear(&r);
    assert_int_equal(0, server_stop(&s, SIGTERM, 40));
}

static void tenants_do_not_see_each_others_cache(void **state)
{
    test_server s;
    const char *args[] = { models[0], "--key", "a:aaaaaaaaaa", "--key", "b:bbbbbbbbbb", NULL };
    server_start(&s, args);
    static const char body[] = "{" TALE ",\"max_tokens\":2,\"temperature\":0}";
    static const struct { const char *key; bool cached; } turns[] = {
        { "X-Api-Key: aaaaaaaaaa\r\n", false }, { "X-Api-Key: bbbbbbbbbb\r\n", false },
        { "X-Api-Key: aaaaaaaaaa\r\n", true }, { "X-Api-Key: bbbbbbbbbb\r\n", true } };
    for (int i = 0; i < 4; i++) {
        json_t *v = json_of(ask_with(s.port, "POST", "/v1/completions", turns[i].key, body), 200);
        assert_int_equal(turns[i].cached, int_at(v, "usage.prompt_tokens_details.cached_tokens") > 0);
        json_decref(v);
    }
    assert_int_equal(0, server_stop(&s, SIGTERM, 40));
}

static void a_full_queue_says_so_at_once_and_keeps_what_it_took(void **state)
{
    test_server s;
    const char *args[] = { models[1], "--parallel", "1", "--queue", "1", NULL };
    server_start(&s, args);
    char *request = request_text("POST", "/v1/chat/completions", "",
                                 "{" HELLO ",\"ignore_eos\":true,\"max_tokens\":300}");
    client c[2];
    for (int i = 0; i < 2; i++) {
        c[i] = client_open(s.port);
        assert_true(client_send(&c[i], request, strlen(request)));
        double end = seconds() + 10;
        while (metric(s.port, i ? "minerva_requests_queued" : "minerva_requests_running") < 1
               && seconds() < end) usleep(2000);
    }
    double start = seconds();
    reply r = send_raw(s.port, request, strlen(request));
    assert_int_equal(429, r.status);
    assert_true(seconds() - start < 1);
    assert_non_null(strstr(r.head, "Retry-After: "));
    reply_clear(&r);
    for (int i = 0; i < 2; i++) {
        json_t *v = json_of(client_reply(&c[i], true), 200);
        assert_int_equal(300, int_at(v, "usage.completion_tokens"));
        json_decref(v);
        client_close(&c[i]);
    }
    free(request);
    assert_int_equal(0, server_stop(&s, SIGTERM, 40));
}

static void sigterm_finishes_what_runs_and_a_second_one_does_not_wait(void **state)
{
    for (int twice = 0; twice < 2; twice++) {
        test_server s;
        const char *args[] = { models[1], NULL };
        server_start(&s, args);
        char *request = request_text("POST", "/v1/chat/completions", "", twice
            ? "{" HELLO ",\"ignore_eos\":true,\"max_tokens\":2000,\"stream\":true}"
            : "{" HELLO ",\"ignore_eos\":true,\"max_tokens\":200,\"stream\":true}");
        client c = client_open(s.port);
        assert_true(client_send(&c, request, strlen(request)));
        assert_true(client_wait_for(&c, "\"content\":\""));
        kill(s.pid, SIGTERM);
        if (twice) {
            usleep(100000);
            assert_int_equal(0, server_stop(&s, SIGTERM, 3));
        } else {
            reply r = client_reply(&c, true);
            assert_true(r.whole);
            char *text = streamed_text(r.body, 0, true, "length");
            free(text);
            reply_clear(&r);
            assert_int_equal(0, server_stop(&s, 0, 5));
        }
        client_close(&c);
        free(request);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_are_listed_and_described),
        cmocka_unit_test(completions_tell_the_known_story_and_count),
        cmocka_unit_test(a_prompt_may_be_token_ids),
        cmocka_unit_test(a_repeated_chat_is_the_same_and_comes_from_the_cache),
        cmocka_unit_test(streams_carry_the_same_text_as_whole_answers),
        cmocka_unit_test(stop_strings_end_answers),
        cmocka_unit_test(logprobs_belong_to_the_tokens_of_the_text),
        cmocka_unit_test(equal_seeds_give_equal_answers),
        cmocka_unit_test(embeddings_have_length_one_in_either_form),
        cmocka_unit_test(documents_are_ranked_by_the_cosine_of_their_embeddings),
        cmocka_unit_test(what_cannot_be_ranked_is_refused_by_name),
        cmocka_unit_test(templates_show_the_prompt),
        cmocka_unit_test(every_number_is_bounded_and_named),
        cmocka_unit_test(every_parameter_has_a_type_and_nothing_else_passes),
        cmocka_unit_test(messages_that_are_none_are_refused_by_name),
        cmocka_unit_test(a_prompt_beyond_the_context_is_refused_with_both_numbers),
        cmocka_unit_test(ambiguous_requests_are_refused_and_closed),
        cmocka_unit_test(a_refusal_reaches_a_client_that_is_still_sending),
        cmocka_unit_test(bodies_that_are_no_JSON_are_refused),
        cmocka_unit_test(foreign_hosts_and_origins_are_refused_on_every_route),
        cmocka_unit_test(our_own_names_and_pages_are_welcome),
        cmocka_unit_test(wrong_paths_and_methods_say_so),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(bodies_may_be_chunked_and_expected),
        cmocka_unit_test(a_client_that_goes_away_cancels_its_request_only),
        cmocka_unit_test(keys_are_needed_on_every_route_but_three),
        cmocka_unit_test(tenants_do_not_see_each_others_cache),
        cmocka_unit_test(a_full_queue_says_so_at_once_and_keeps_what_it_took),
        cmocka_unit_test(sigterm_finishes_what_runs_and_a_second_one_does_not_wait),
    };
    if (access(models[0], R_OK) || access(models[1], R_OK)) {
        printf("skipped: test_server: the models are not there (run it in the checkout)\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, start_main, stop_main);
}
