/* Iteration: over every value that Python can iterate, and lazily over filters' results.
 *
 * Generators (|map, |select, |unique, ...) are lazy as in jinja2: errors of elements that
 * nobody asks for never show, and a second pass finds nothing left.
 */
#include "text/jinja_run.h"

#include <string.h>

static int next_item(mn_jrun *r, mn_jiter *it, mn_jvalue *out)
{
    if (!it->left) return 0;
    it->left--;
    *out = it->source.items[it->at];
    it->at += it->step;
    return 1;
}

static int next_char(mn_jrun *r, mn_jiter *it, mn_jvalue *out)
{
    mn_jvalue s = it->source;
    if (it->at >= s.len) return 0;
    int64_t end = it->at + 1;
    while (end < s.len && (s.s[end] & 0xC0) == 0x80) end++;
    *out = mn_j_str(s.s + it->at, (size_t)(end - it->at));
    it->at = end;
    return 1;
}

static int next_char_back(mn_jrun *r, mn_jiter *it, mn_jvalue *out)
{
    mn_jvalue s = it->source;
    if (it->at <= 0) return 0;
    int64_t start = it->at - 1;
    while (start > 0 && (s.s[start] & 0xC0) == 0x80) start--;
    *out = mn_j_str(s.s + start, (size_t)(it->at - start));
    out->flags = s.flags;
    it->at = start;
    return 1;
}

/* Dicts and their views. */
static int next_entry(mn_jrun *r, mn_jiter *it, mn_jvalue *out)
{
    if (!it->left) return 0;
    it->left--;
    const mn_jentry *e = &it->source.dict->entries[it->at];
    it->at += it->step;
    int which = it->source.type == J_VIEW ? it->source.flags : J_KEYS;
    if (which == J_ITEMS) return mn_j_pair(r, e->key, e->value, out) ? 1 : -1;
    *out = which == J_KEYS ? e->key : e->value;
    return 1;
}

static int next_number(mn_jrun *r, mn_jiter *it, mn_jvalue *out)
{
    if (!it->left) return 0;
    it->left--;
    *out = mn_j_int(it->source.range->start + it->at * it->source.range->step);
    it->at += it->step;
    return 1;
}

static int next_of_loop(mn_jrun *r, mn_jiter *it, mn_jvalue *out)
{
    /* Iterating a loop object inside of its own body takes its remaining items. */
    mn_jloop *loop = it->source.loop;
    if (loop->after.type != J_MISSING) {
        *out = loop->after;
        loop->after = (mn_jvalue){ 0 };
    } else {
        int more = mn_j_next(r, &loop->iter, out);
        if (more != 1) return more;
    }
    loop->index0++;
    loop->before = loop->current;
    loop->current = *out;
    return mn_j_pair(r, *out, it->source, out) ? 1 : -1;
}

static int next_shared(mn_jrun *r, mn_jiter *it, mn_jvalue *out)
{
    return mn_j_next(r, it->source.iter, out);
}

static int next_none(mn_jrun *r, mn_jiter *it, mn_jvalue *out) { return 0; }

int mn_j_next(mn_jrun *r, mn_jiter *it, mn_jvalue *out)
{
    if (!mn_j_spend(r, 1)) return -1;
    /* Chains of generators nest; each link is a call. */
    if (++r->depth > r->max_depth) {
        mn_j_fail_depth(r);
        return -1;
    }
    int more = it->next(r, it, out);
    r->depth--;
    if (more == 0) it->next = next_none;
    return more;
}

bool mn_j_is_iterable(mn_jvalue v)
{
    return v.type == J_STR || v.type == J_LIST || v.type == J_TUPLE || v.type == J_DICT
        || v.type == J_RANGE || v.type == J_VIEW || v.type == J_ITER || v.type == J_LOOP
        || v.type == J_UNDEFINED;
}

bool mn_j_iter_init(mn_jrun *r, mn_jvalue v, mn_jiter *it)
{
    *it = (mn_jiter){ .source = v, .step = 1 };
    switch (v.type) {
    case J_UNDEFINED: it->next = next_none; return true;
    case J_STR: it->next = next_char; return true;
    case J_LIST: case J_TUPLE:
        it->next = next_item;
        it->left = v.len;
        return true;
    case J_DICT: case J_VIEW:
        it->next = next_entry;
        it->left = v.dict->n;
        return true;
    case J_RANGE:
        it->next = next_number;
        it->left = v.range->n;
        return true;
    case J_ITER: it->next = next_shared; return true;
    case J_LOOP: it->next = next_of_loop; return true;
    default:
        return mn_j_fail(r, MINERVA_INVALID, "'%s' object is not iterable",
                         mn_j_type_name(v));
    }
}

static bool iter_value(mn_jrun *r, const mn_jiter *from, bool is_builtin, mn_jvalue *out)
{
    mn_jiter *it = mn_j_alloc(r, 1, sizeof *it);
    if (!it) return false;
    *it = *from;
    it->is_builtin = is_builtin;
    *out = (mn_jvalue){ .type = J_ITER, .iter = it };
    return true;
}

bool mn_j_iter_new(mn_jrun *r, mn_jvalue v, mn_jvalue *out)
{
    mn_jiter it;
    *out = v;
    if (v.type == J_ITER) return true;
    return mn_j_iter_init(r, v, &it) && iter_value(r, &it, true, out);
}

bool mn_j_reversed(mn_jrun *r, mn_jvalue v, mn_jvalue *out, bool *possible)
{
    mn_jiter it = { .source = v, .step = -1 };
    *possible = true;
    switch (v.type) {
    case J_UNDEFINED: it.next = next_none; break;
    case J_STR:
        it.next = next_char_back;
        it.at = v.len;
        break;
    case J_LIST: case J_TUPLE:
        it.next = next_item;
        it.left = v.len;
        break;
    case J_DICT: case J_VIEW:
        it.next = next_entry;
        it.left = v.dict->n;
        break;
    case J_RANGE:
        it.next = next_number;
        it.left = v.range->n;
        break;
    default:
        *possible = false;
        return true;
    }
    if (v.type != J_STR) it.at = it.left - 1;
    return iter_value(r, &it, true, out);
}

bool mn_j_generator(mn_jrun *r, mn_jvalue v, mn_jnext *next, void *state, mn_jvalue *out)
{
    mn_jiter it = { .next = next, .source = v, .step = 1, .state = state };
    return iter_value(r, &it, false, out);
}

bool mn_j_items(mn_jrun *r, mn_jvalue v, const mn_jvalue **items, uint32_t *n)
{
    if (v.type == J_LIST || v.type == J_TUPLE) {
        *items = v.items;
        *n = v.len;
        return true;
    }
    mn_jiter it;
    if (!mn_j_iter_init(r, v, &it)) return false;
    uint32_t capacity = it.left > 0 && it.left < UINT32_MAX ? (uint32_t)it.left : 8,
             count = 0;
    if (v.type == J_STR) capacity = v.len;
    mn_jvalue *list = mn_j_alloc(r, capacity, sizeof *list), item;
    if (!list) return false;
    for (int more; (more = mn_j_next(r, &it, &item)) != 0;) {
        if (more < 0) return false;
        if (count == capacity) {
            mn_jvalue *grown = capacity > UINT32_MAX / 2 ? NULL
                             : mn_j_alloc(r, capacity * 2, sizeof *grown);
            if (!grown)
                return r->status ? false : mn_j_fail(r, MINERVA_LIMIT, "list too long");
            memcpy(grown, list, count * sizeof *grown);
            list = grown;
            capacity *= 2;
        }
        list[count++] = item;
    }
    *items = list;
    *n = count;
    return true;
}
