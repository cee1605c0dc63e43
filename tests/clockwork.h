/* The settings of clockwork.c; set before any scheduler is made. */
#ifndef TESTS_CLOCKWORK_H
#define TESTS_CLOCKWORK_H

extern int clockwork_tick_us;           /* time between two tokens of an answer */
extern int clockwork_piece_bytes;       /* tokens are filled up to this length */

#endif
