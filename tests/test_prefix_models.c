/* The prefix cache over real networks of every kind: windows, recurrent layers, latent
 * attention.  A tenant that asks for the first time computes everything; the same requests
 * of a tenant that has asked before must be answered alike. */
#include "tests/scheduled_model.h"

static void every_kind_answers_from_the_cache_as_it_does_cold(void **state)
{
    each_scheduled_model(check_conversation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_answers_from_the_cache_as_it_does_cold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
