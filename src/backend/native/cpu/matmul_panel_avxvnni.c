/* Panels for AVX2 with AVX-VNNI; see matmul_panel_256.h. */
#define MN_USE_VNNI 1
#include "backend/native/cpu/matmul_panel_256.h"

void mn_matmul_init_panel_avxvnni(mn_matmul_table *t)
{
    enter_all(t);
}
