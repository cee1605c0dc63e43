/* Steering the size of prompt pieces; see pace.h. */
#include "runtime/pace.h"

/* A mixed pass may take MIXED times the usual one; ALONE_S is for prompts alone. */
static const double MIXED = 2.2, ALONE_S = 0.5;
enum { FIRST_ALONE = 128, FIRST_MIXED = 8, GRAIN = 32, MEASURE_EVERY = 64 };

static int magnitude(int32_t n)
{
    int k = 0;
    while (n > 1 && k < MN_PACE_SIZES - 1) {
        n >>= 1;
        k++;
    }
    return k;
}

static int32_t between(double x, int32_t least, int32_t most)
{
    if (least > most) least = most;
    return x <= least ? least : x >= most ? most : (int32_t)x;
}

static int32_t room_alone(const mn_pace *p, int32_t most)
{
    double n = p->token_s > 0 ? ALONE_S / p->token_s : FIRST_ALONE;
    int32_t room = between(n, GRAIN, most);
    return room >= GRAIN ? room / GRAIN * GRAIN : room;
}

int32_t mn_pace_room(const mn_pace *p, int32_t n_answers, int32_t most)
{
    if (most < 1) return 0;
    if (n_answers < 1) return room_alone(p, most);
    int k = magnitude(n_answers);
    if (p->usual_s[k] <= 0 || p->since_usual[k] >= MEASURE_EVERY) return 0;
    if (p->room[k] > 0) return between(p->room[k], 1, most);
    double guess = p->token_s > 0 ? (MIXED - 1) * p->usual_s[k] / (2 * p->token_s) : FIRST_MIXED;
    return between(guess, 1, most);
}

static void follow(double *mean, double x)
{
    if (*mean <= 0) *mean = x;
    else if (x > 3 * *mean) *mean *= 1.3;       /* a hiccup, unless it stays so */
    else *mean += 0.25 * (x - *mean);
}

void mn_pace_note(mn_pace *p, int32_t n_answers, int32_t n_prompt, double seconds)
{
    if (n_answers < 1) {
        if (n_prompt >= GRAIN) follow(&p->token_s, seconds / n_prompt);
        return;
    }
    int k = magnitude(n_answers);
    if (n_prompt < 1) {
        follow(&p->usual_s[k], seconds);
        p->since_usual[k] = 0;
        return;
    }
    p->since_usual[k]++;
    if (p->usual_s[k] <= 0) return;
    double wanted = (MIXED - 1) * p->usual_s[k], extra = seconds - p->usual_s[k];
    double factor = extra > 0 ? wanted / extra : 1.5;
    if (factor > 1.5) factor = 1.5;
    if (factor < 0.5) factor = 0.5;
    double room = p->room[k] > 0 ? p->room[k] : n_prompt;
    /* A piece that did not fill its room proves nothing about larger ones. */
    if (factor > 1 && n_prompt < 0.7 * room) return;
    room += 0.5 * (n_prompt * factor - room);
    p->room[k] = room < 1 ? 1 : room;
}
