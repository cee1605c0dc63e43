/* How much prompt a pass may take.
 *
 * An answer in the making waits for the whole pass before its next token, so prompts that
 * are read beside answers must be cut to pieces that do not show: such a pass may take
 * about twice what a pass of the same answers alone takes.  Nobody can say beforehand how
 * many tokens that is (kernels change with the batch, machines with their load), so it is
 * measured all the time and steered, for each magnitude of answers by itself.
 *
 * Prompts alone are cut too, at half a second: a request that comes in the middle begins
 * then, and a cancelled one is gone then.
 */
#ifndef MN_RUNTIME_PACE_H
#define MN_RUNTIME_PACE_H

#include <stdint.h>

enum { MN_PACE_SIZES = 8 };

/* All zero: nothing measured yet.  Index k: 2^k to 2^(k+1) - 1 answers. */
typedef struct {
    double usual_s[MN_PACE_SIZES];      /* a pass of answers alone */
    double room[MN_PACE_SIZES];         /* prompt tokens beside them */
    int32_t since_usual[MN_PACE_SIZES]; /* mixed passes since the last of answers alone */
    double token_s;                     /* one prompt token, in passes of prompts alone */
} mn_pace;

/* Prompt tokens, 0 to `most`, for a pass with n_answers answers.  0: a pass of answers
 * alone is needed now, to know how long it takes. */
int32_t mn_pace_room(const mn_pace *p, int32_t n_answers, int32_t most);
/* A pass of n_answers and n_prompt prompt tokens took so long. */
void mn_pace_note(mn_pace *p, int32_t n_answers, int32_t n_prompt, double seconds);

#endif
