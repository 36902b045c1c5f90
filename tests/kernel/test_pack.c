/* Kernel test: packing against arrays of the element's own type, every size, layout and channel
 * count. The output ends at a closed page. */
#include "tests/kernel/kernel.h"

#include "hw/core/pack.h"

/* Value of an element, read as an unsigned number of n_bytes. */
static u64 element_at(const u8 *bytes, size_t index, u32 n_bytes)
{
    u64 value = 0;
    memcpy(&value, bytes + index * n_bytes, n_bytes);
    return value;
}

static void check_case(struct random_state *random, u32 element_bytes, u32 layout, u32 n_channels)
{
    u32 width = (u32)random_in(random, 1, 33), height = (u32)random_in(random, 1, 5);
    struct dlop_job job = {.layout = (u8)layout,
                           .out_channels = (u8)n_channels,
                           .element_bytes = (u8)element_bytes,
                           .out_width_px = width,
                           .out_height_px = height};
    size_t table_bytes = n_channels * 256 * element_bytes;
    size_t out_bytes = (size_t)width * height * n_channels * element_bytes;
    u8 *table = guard_alloc(table_bytes), *out = guard_alloc(out_bytes);
    u8 *rgbx = guard_alloc(4 * width * height);

    random_bytes(random, table, table_bytes);
    random_bytes(random, rgbx, 4 * width * height);
    memset(out, 0, out_bytes);
    for (u32 y = 0; y < height; y++)
        dlop_pack_row(&job, table, rgbx + 4 * width * y, y, out);
    for (u32 y = 0; y < height; y++)
        for (u32 x = 0; x < width; x++)
            for (u32 c = 0; c < n_channels; c++) {
                u8 value = rgbx[4 * (width * y + x) + c];
                size_t index = layout == DLOP_LAYOUT_HWC ? (width * y + x) * n_channels + c
                                                         : width * height * c + width * y + x;
                if (element_at(out, index, element_bytes) !=
                    element_at(table, 256 * c + value, element_bytes))
                    RANDOM_FAIL(random, "%u bytes, layout %u, %u channels, (%u, %u) channel %u",
                                element_bytes, layout, n_channels, x, y, c);
            }
    guard_free(table, table_bytes);
    guard_free(out, out_bytes);
    guard_free(rgbx, 4 * width * height);
}

static void every_shape_of_element(void **state)
{
    (void)state;
    for (u32 test = 0; test < 40; test++) {
        struct random_state random = random_start(random_seed() + test);
        for (u32 element_bytes = 1; element_bytes <= 8; element_bytes *= 2)
            for (u32 layout = 0; layout < DLOP_LAYOUT_COUNT; layout++)
                for (u32 n_channels = 1; n_channels <= 3; n_channels += 2)
                    check_case(&random, element_bytes, layout, n_channels);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_of_element),
    };
    return cmocka_run_group_tests_name("kernel/pack", tests, NULL, NULL);
}
