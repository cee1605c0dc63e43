/* Sequence state from foreign bytes: import must refuse or take them, and a network must
 * run on whatever they hold.  The corpus has exports of the same small network; the hash of
 * its shape (bytes 8 to 15) is put in here, so that the corpus outlives layouts. */
#include "backend/native/native.h"
#include "../tests/tiny_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static mn_engine *engine;
static uint8_t shape[8];

static minerva_status feed(mn_seq *s, int32_t token)
{
    mn_span span = { s, 0, 1 };
    mn_batch batch = { .tokens = &token, .n_tokens = 1, .spans = &span, .n_spans = 1 };
    mn_output out;
    return mn_forward(engine, &batch, &out, NULL);
}

static void start(void)
{
    mn_load_options options = { .n_threads = 1, .isa = "ref", .kv_type = MN_KV_Q8_0 };
    mn_seq *s;
    mn_buffer bytes = { 0 };
    if (mn_engine_create(&engine, tiny_plan("wad"), false, &options, NULL) ||
        mn_seq_new(engine, &s, NULL) || feed(s, 1) || mn_seq_write(engine, s, 0, &bytes, NULL))
        abort();
    memcpy(shape, bytes.data + 8, sizeof shape);
    mn_buffer_clear(&bytes);
    mn_seq_delete(engine, s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mn_seq *s;
    if (!engine) start();
    uint8_t *bytes = malloc(size ? size : 1);
    if (!bytes || mn_seq_new(engine, &s, NULL)) abort();
    if (size) memcpy(bytes, data, size);
    if (size >= 16) memcpy(bytes + 8, shape, sizeof shape);
    if (mn_seq_read(engine, s, bytes, size, NULL) == MINERVA_OK && s->length < engine->context &&
        feed(s, 3))
        abort();
    mn_seq_delete(engine, s);
    free(bytes);
    return 0;
}
