/* A kernel that keeps to every rule of tests/lint/dialect --top. */
#include "hw/abi/port.h"

void dlop_good(const u8 *in, u8 *out, u32 n);
void dlop_good(const u8 *in, u8 *out, u32 n)
{
    DLOP_HLS(INTERFACE m_axi port = in bundle = in offset = slave)
    DLOP_HLS(INTERFACE m_axi port = out bundle = out offset = slave)
    DLOP_HLS(INTERFACE s_axilite port = n)
    DLOP_HLS(INTERFACE s_axilite port = return )
    u32 i;

    for (i = 0; i < n; i++) {
        DLOP_HLS(PIPELINE II = 1)
        DLOP_HLS(LOOP_TRIPCOUNT min = 1 max = 64)
        out[i] = (u8)(in[i] ^ 1u << 3);
    }
    for (i = 0; i < 8; i++) {
        if (i >= n)
            break;
        out[i]++;
    }
}
