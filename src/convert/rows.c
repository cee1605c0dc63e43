/* The stream of rows: read, reorder, encode, write.
 *
 * A chunk of target rows is shared out to the pool's threads, row by row, into one buffer;
 * the caller's thread appends it to the file, and the pages of the source that were read are
 * given back.  MLX keeps codes, scales and biases in tensors of their own, one after the
 * other in the file, so each is made in a pass of its own: encoding three times costs less
 * than holding a plane of a large stack.  Loss is measured in the first pass. */
#include "convert/convert.h"
#include "tensor/quantize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CHUNK_BYTES = 4 << 20 };

typedef struct {
    mn_convert *c;
    mn_target *t;
    mn_plane plane;
    int64_t expert, first, n;   /* rows of this chunk */
    uint8_t *out;
    size_t row_bytes, widest;
    double *error, *power;      /* by thread */
    float *floats;              /* by thread: two rows and a column */
    uint8_t *bytes;             /* by thread: codes and planes of a row */
    int bad;                    /* a row with NaN or infinity was met */
} job;

size_t mn_plane_row_bytes(const mn_weight *f, mn_plane plane)
{
    bool mlx = f->type >= MN_MLX_AFFINE && f->type <= MN_MLX_NVFP4;
    if (plane == MN_PLANE_CODES) return mn_wtype_row_bytes(f->type, f->bits, f->cols);
    if (!mlx) return 0;
    size_t groups = (size_t)(f->cols / f->group);
    if (f->type == MN_MLX_AFFINE) return groups * (f->scale_type == MN_F32 ? 4 : 2);
    return plane == MN_PLANE_SCALES ? groups : 0;
}

/* The piece of a target row. */
static const mn_piece *piece_of(const mn_target *t, int64_t expert, int64_t row)
{
    for (int32_t i = 0; i < t->n_pieces; i++) {
        const mn_piece *p = &t->pieces[i];
        if (row >= p->to && row < p->to + p->n && (p->to_expert < 0 || p->to_expert == expert))
            return p;
    }
    return NULL;
}

static void transposed_row(const mn_piece *p, int64_t col, int64_t n, float *out, float *scratch)
{
    const mn_weight *w = p->from;
    const mn_wtype_info *info = mn_wtype_get(w->type);
    int64_t block = info->block ? info->block : w->group, at = col / block * block;
    for (int64_t r = 0; r < n; r++) {
        mn_weight_decode(w, 0, p->row + r, at, block, scratch);
        out[r] = scratch[col - at];
    }
}

static int64_t source_row(const mn_piece *p, int64_t row)
{
    int64_t at = p->row + (row - p->to);
    return p->order ? p->order[at] : at;
}

static void read_row(const mn_target *t, const mn_piece *p, int64_t expert, int64_t row, float *x,
                     float *scratch)
{
    int64_t cols = t->want->cols, e = p->from_expert < 0 ? expert : p->from_expert;
    float *own = p->columns ? scratch : x;
    if (p->transposed) {
        transposed_row(p, row - p->to, cols, x, scratch);
    } else {
        mn_weight_decode(p->from, e, source_row(p, row), 0, cols, own);
        if (t->lora) mn_lora_add(t, p, source_row(p, row), own);
    }
    for (int64_t k = 0; p->columns && k < cols / p->column_block; k++)
        memcpy(x + k * p->column_block, scratch + (int64_t)p->columns[k] * p->column_block,
               (size_t)p->column_block * sizeof *x);
    float s = p->scale != 0 ? p->scale : 1;
    if (p->row_scale) s *= p->row_scale[row - p->to];
    for (int64_t i = 0; s != 1 && i < cols; i++) x[i] *= s;
}

static void measure(job *j, int thread, const float *x, uint8_t *codes, uint8_t *scales,
                    uint8_t *biases, float *back)
{
    mn_weight w = j->t->format;
    w.rows = w.n_experts = 1;
    w.data = codes;
    w.scales = scales;
    w.biases = biases;
    mn_weight_decode(&w, 0, 0, 0, w.cols, back);
    double error = 0, power = 0;
    for (int64_t i = 0; i < w.cols; i++) {
        double d = (double)back[i] - (double)x[i];
        error += d * d;
        power += (double)x[i] * (double)x[i];
    }
    if (!isfinite(power)) __atomic_store_n(&j->bad, 1, __ATOMIC_RELAXED);
    j->error[thread] += error;
    j->power[thread] += power;
}

/* Blocks of columns in another order, in a row that is encoded already. */
static void move_columns(const mn_piece *p, int64_t cols, uint8_t *row, size_t size, uint8_t *scratch)
{
    int64_t n = cols / p->column_block;
    size_t each = size / (size_t)n;
    memcpy(scratch, row, size);
    for (int64_t k = 0; k < n; k++)
        memcpy(row + (size_t)k * each, scratch + (size_t)p->columns[k] * each, each);
}

static void make_row(job *j, int thread, int64_t row, uint8_t *out)
{
    const mn_target *t = j->t;
    const mn_weight *f = &t->format;
    const mn_piece *p = piece_of(t, j->expert, row);
    float *x = j->floats + (size_t)thread * 3 * j->widest, *scratch = x + j->widest;
    size_t n_codes = mn_plane_row_bytes(f, MN_PLANE_CODES);
    size_t n_scales = mn_plane_row_bytes(f, MN_PLANE_SCALES);
    size_t n_biases = mn_plane_row_bytes(f, MN_PLANE_BIASES);
    uint8_t *codes = j->bytes + (size_t)thread * (n_codes + n_scales + n_biases);
    uint8_t *scales = n_scales ? codes + n_codes : NULL;
    uint8_t *biases = n_biases ? codes + n_codes + n_scales : NULL;
    bool moved = p->transposed || p->scale != 0 || p->row_scale || t->lora;
    bool repack = t->exact && !moved && (p->from->type == f->type || p->from->type > MN_BF16);
    if (repack && f->type <= MN_BF16 && p->from->type != f->type) repack = false;
    if (repack) {
        mn_repack_row(p->from, p->from_expert < 0 ? j->expert : p->from_expert,
                      source_row(p, row), f, codes, scales, biases);
        if (p->columns) {
            move_columns(p, f->cols, codes, n_codes, (uint8_t *)x);
            if (n_scales) move_columns(p, f->cols, scales, n_scales, (uint8_t *)x);
            if (n_biases) move_columns(p, f->cols, biases, n_biases, (uint8_t *)x);
        }
    } else {
        read_row(t, p, j->expert, row, x, scratch);
        mn_quantize_row(f, x, codes, scales, biases);
        if (j->plane == MN_PLANE_CODES) measure(j, thread, x, codes, scales, biases, scratch);
    }
    const uint8_t *from = j->plane == MN_PLANE_CODES ? codes
                          : j->plane == MN_PLANE_SCALES ? scales : biases;
    memcpy(out, from, j->row_bytes);
}

static void run(void *ctx, int thread, int n_threads)
{
    job *j = ctx;
    for (int64_t i; (i = mn_pool_next(j->c->pool, 4)) < j->n;)
        for (int64_t k = i; k < i + 4 && k < j->n; k++)
            make_row(j, thread, j->first + k, j->out + (size_t)k * j->row_bytes);
}

void mn_forget(const uint8_t *data, size_t size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = (uintptr_t)data & ~(page - 1), to = ((uintptr_t)data + size) & ~(page - 1);
    if (to > from) madvise((void *)from, to - from, MADV_DONTNEED);
}

bool mn_is_mapped(const mn_convert *c, const mn_weight *w)
{
    const mn_model_source *s = c->source;
    int64_t n = s->gguf ? mn_gguf_n_tensors(s->gguf)
                        : mn_safetensors_n_tensors(mn_model_dir_weights(s->dir));
    const mn_weight first = mn_weight_experts(w, 0, 1);
    for (int64_t i = 0; i < n; i++) {
        const mn_tensor_ref *t = s->gguf ? mn_gguf_tensor_at(s->gguf, i)
                                         : mn_safetensors_at(mn_model_dir_weights(s->dir), i);
        if (first.data >= t->data && first.data < t->data + t->size_bytes) return true;
    }
    return false;
}

static void forget_rows(const job *j, const bool *mapped)
{
    for (int32_t i = 0; i < j->t->n_pieces; i++) {
        const mn_piece *p = &j->t->pieces[i];
        if (!mapped[i] || p->to_expert >= 0) continue;
        int64_t first = j->first > p->to ? j->first : p->to;
        int64_t end = j->first + j->n < p->to + p->n ? j->first + j->n : p->to + p->n;
        if (first >= end) continue;
        int64_t at = p->row + (first - p->to);
        mn_weight one = mn_weight_experts(p->from, p->from_expert < 0 ? j->expert : p->from_expert,
                                          1);
        /* an order stays within a head: rows of a few pages, read again where it matters */
        mn_forget(one.data + (size_t)at * one.row_bytes, (size_t)(end - first) * one.row_bytes);
        bool planes = one.type >= MN_MLX_AFFINE && one.type <= MN_MLX_NVFP4;
        size_t n = (size_t)(end - first) * one.scale_row_bytes;
        if (planes) mn_forget(one.scales + (size_t)at * one.scale_row_bytes, n);
        if (planes && one.biases) mn_forget(one.biases + (size_t)at * one.scale_row_bytes, n);
    }
}

static bool keep_going(mn_convert *c, size_t written)
{
    c->done_bytes += written;
    if (!c->options.progress) return true;
    float done = c->all_bytes ? (float)((double)c->done_bytes / (double)c->all_bytes) : 0;
    if (c->options.progress(c->options.ctx, done > 1 ? 1 : done)) return true;
    mn_convert_fail(c, MINERVA_CANCELLED, "the conversion was cancelled");
    return false;
}

static bool prepare(job *j)
{
    mn_convert *c = j->c;
    const mn_weight *f = &j->t->format;
    size_t threads = (size_t)mn_pool_size(c->pool);
    j->row_bytes = mn_plane_row_bytes(f, j->plane);
    j->widest = (size_t)f->cols > 256 ? (size_t)f->cols : 256;
    size_t all = mn_plane_row_bytes(f, MN_PLANE_CODES) + mn_plane_row_bytes(f, MN_PLANE_SCALES) +
                 mn_plane_row_bytes(f, MN_PLANE_BIASES);
    j->n = (int64_t)(CHUNK_BYTES / (j->widest * 4));
    if (j->n < 16) j->n = 16;
    if (j->n > j->t->want->rows) j->n = j->t->want->rows;
    j->out = malloc((size_t)j->n * j->row_bytes);
    j->floats = malloc(threads * 3 * j->widest * sizeof *j->floats);
    j->bytes = malloc(threads * all);
    j->error = calloc(threads, sizeof *j->error);
    j->power = calloc(threads, sizeof *j->power);
    if (j->out && j->floats && j->bytes && j->error && j->power) return true;
    mn_convert_fail(c, MINERVA_MEMORY, "out of memory: the rows of tensor %s", j->t->want->name);
    return false;
}

static void write_chunks(job *j, const bool *mapped)
{
    mn_convert *c = j->c;
    int64_t chunk = j->n, rows = j->t->want->rows;
    for (j->expert = 0; j->expert < j->t->format.n_experts; j->expert++)
        for (j->first = 0; j->first < rows; j->first += chunk) {
            j->n = rows - j->first < chunk ? rows - j->first : chunk;
            mn_pool_run(c->pool, run, j);
            size_t size = (size_t)j->n * j->row_bytes;
            mn_tensor_writer_append(c->writer, j->out, size);
            forget_rows(j, mapped);
            if (!keep_going(c, size)) return;
        }
}

void mn_rows_write(mn_convert *c, mn_target *t, mn_plane plane)
{
    job j = { .c = c, .t = t, .plane = plane };
    bool *mapped = calloc((size_t)t->n_pieces, sizeof *mapped);
    if (mapped && prepare(&j)) {
        for (int32_t i = 0; i < t->n_pieces; i++) mapped[i] = mn_is_mapped(c, t->pieces[i].from);
        write_chunks(&j, mapped);
        for (int i = 0; i < mn_pool_size(c->pool); i++) {
            t->error += j.error[i];
            t->power += j.power[i];
        }
        if (j.bad)
            mn_convert_fail(c, MINERVA_INVALID, "tensor %s: finite numbers expected, infinity or "
                            "NaN found", t->want->name);
    }
    free(mapped);
    free(j.out);
    free(j.floats);
    free(j.bytes);
    free(j.error);
    free(j.power);
}
