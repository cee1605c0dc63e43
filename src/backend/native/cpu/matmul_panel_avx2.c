/* Panels for AVX2 without VNNI; see matmul_panel_256.h. */
#define MN_USE_VNNI 0
#include "backend/native/cpu/matmul_panel_256.h"

void mn_matmul_init_panel_avx2(mn_matmul_table *t)
{
    enter_all(t);
}
