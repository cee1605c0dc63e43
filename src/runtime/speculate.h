/* Guessing tokens ahead: the network reads a few guesses together with the last token for
 * little more than it takes for one token, since memory is the limit either way.
 *
 * Guesses come from the text itself (what followed when the last tokens were said before:
 * prompt lookup, Saxena 2023; good where an answer repeats its prompt) or from a smaller
 * model.  They are checked by drawing each token from the network's own logits as if nobody
 * had guessed, and going on in the same pass where the draw is what was guessed.  So
 * constraints, penalties and every way of sampling work unchanged, the same seed gives the
 * same answer, and nothing is lost or gained but time (Leviathan et al. 2023, 2211.17192,
 * is the general form).
 *
 * (1) Whether guessing pays is measured: time of a pass with and without guesses, and how
 *     many were right.  Where it loses it stops, and tries again after ever longer pauses.
 * (2) At most MN_MAX_GUESSES at a time: so many tokens are multiplied by the kernels that
 *     one token gets, and logits are bit for bit those of one token at a time.
 */
#ifndef MN_RUNTIME_SPECULATE_H
#define MN_RUNTIME_SPECULATE_H

#include "runtime/runtime.h"

enum { MN_MAX_GUESSES = 3 };

typedef struct mn_guesser mn_guesser;

/* draft: a session of a smaller model with the same vocabulary, borrowed; NULL: look up. */
minerva_status mn_guesser_create(mn_guesser **out, const minerva_model *model,
                                 minerva_session *draft, minerva_error *err);
void mn_guesser_free(mn_guesser *g);
/* The sequence goes on with these tokens. */
minerva_status mn_guesser_feed(mn_guesser *g, const int32_t *tokens, size_t n,
                               minerva_error *err);
/* Up to MN_MAX_GUESSES tokens that may follow; 0: none, or it does not pay now. */
minerva_status mn_guesser_guess(mn_guesser *g, int32_t *ids, int32_t *n, minerva_error *err);
/* What a pass over one token and n_guessed more took, and how many of those were right. */
void mn_guesser_learn(mn_guesser *g, int32_t n_guessed, int32_t n_right, double seconds);

#endif
