/* The text files: metadata.xml and emconfig.json. */
#include "sim/swemu/image.h"

#include <inttypes.h>

#define FIRST_BASE 0x10000u
#define BASE_STEP  0x10000u

uint64_t dlop_swemu_unit_base(uint32_t unit)
{
    return FIRST_BASE + (uint64_t)unit * BASE_STEP;
}

static void write_argument(const struct dlop_swemu_argument *argument, uint32_t id, FILE *file)
{
    fprintf(file,
            "      <arg name=\"%s\" addressQualifier=\"%d\" id=\"%" PRIu32 "\" port=\"%s\" "
            "size=\"0x%" PRIx32 "\" offset=\"0x%" PRIx32 "\" hostOffset=\"0x0\" "
            "hostSize=\"0x%" PRIx32 "\" type=\"%s\"/>\n",
            argument->name, argument->is_buffer, id,
            argument->is_buffer ? "M_AXI_GMEM" : "S_AXI_CONTROL", argument->size_bytes,
            argument->register_offset, argument->size_bytes, argument->type);
}

static void write_kernel(const struct dlop_swemu_kernel *kernel, uint32_t n_units,
                         uint32_t first_unit, FILE *file)
{
    struct dlop_swemu_argument arguments[DLOP_SWEMU_N_ARGUMENTS];

    fprintf(file,
            "     <kernel name=\"%s\" language=\"c\" hwControlProtocol=\"ap_ctrl_hs\" "
            "interrupt=\"true\" workGroupSize=\"1\" preferredWorkGroupSizeMultiple=\"0\">\n"
            "      <port name=\"M_AXI_GMEM\" mode=\"master\" range=\"0xFFFFFFFFFFFFFFFF\" "
            "dataWidth=\"512\" portType=\"addressable\" base=\"0x0\"/>\n"
            "      <port name=\"S_AXI_CONTROL\" mode=\"slave\" range=\"0x1000\" dataWidth=\"32\" "
            "portType=\"addressable\" base=\"0x0\"/>\n",
            kernel->name);
    dlop_swemu_arguments_get(arguments);
    for (uint32_t i = 0; i < DLOP_SWEMU_N_ARGUMENTS; i++)
        write_argument(&arguments[i], i, file);
    fprintf(file, "      <compileWorkGroupSize x=\"1\" y=\"1\" z=\"1\"/>\n"
                  "      <maxWorkGroupSize x=\"1\" y=\"1\" z=\"1\"/>\n");
    for (uint32_t i = 0; i < n_units; i++)
        fprintf(file,
                "      <instance name=\"%s_%" PRIu32 "\"><addrRemap base=\"0x%" PRIx64 "\" "
                "port=\"S_AXI_CONTROL\"/></instance>\n",
                kernel->name, i + 1, dlop_swemu_unit_base(first_unit + i));
    fprintf(file, "     </kernel>\n");
}

void dlop_swemu_write_metadata(const struct dlop_swemu_image *image, FILE *file)
{
    uint32_t n_units = 0;

    for (uint32_t i = 0; i < DLOP_SWEMU_N_KERNELS; i++)
        n_units += image->n_units[i];
    fprintf(file,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<project name=\"dlop\">\n"
            " <platform vendor=\"dlop\" boardid=\"%s\" name=\"swemu\" featureRomTime=\"0\">\n"
            "  <version major=\"1\" minor=\"0\"/>\n"
            "  <device name=\"fpga0\" fpgaDevice=\"emulated\" addrWidth=\"64\">\n"
            "   <core name=\"OCL_REGION_0\" target=\"%s\" type=\"clc_region\" "
            "clockFreq=\"300MHz\" numComputeUnits=\"%" PRIu32 "\">\n"
            "     <kernelClocks>\n"
            "      <clock port=\"KERNEL_CLK\" frequency=\"300MHz\"/>\n"
            "     </kernelClocks>\n",
            image->card->name, image->is_hw_emu ? "hw_em" : "csim", n_units);
    n_units = 0;
    for (uint32_t i = 0; i < DLOP_SWEMU_N_KERNELS; i++) {
        write_kernel(&dlop_swemu_kernels[i], image->n_units[i], n_units, file);
        n_units += image->n_units[i];
    }
    fprintf(file, "   </core>\n  </device>\n </platform>\n</project>\n");
}

void dlop_swemu_write_emconfig(const struct dlop_swemu_card *card, uint32_t n_devices, FILE *file)
{
    const char *comma = "";

    fprintf(file,
            "{ \"Version\": { \"FileVersion\": \"2.0\", \"ToolVersion\": \"2022.1\" },\n"
            "  \"Platform\": { \"UnifiedPlatform\": \"true\", \"ExpandedPR\": \"false\",\n"
            "    \"Boards\": [ { \"NumBoards\": \"1\", \"Devices\": [\n"
            "      { \"Name\": \"%s\", \"HalMajorVersion\": \"1\", \"HalMinorVersion\": \"0\",\n"
            "        \"VendorId\": \"4334\", \"SubsystemVendorId\": \"0\", \"DeviceVersion\": "
            "\"0\",\n"
            "        \"DataAlignment\": \"4096\", \"NumDevices\": \"%" PRIu32 "\",\n"
            /* The format spells it so. */
            "        \"OclFreqency\": \"300\",\n"
            "        \"DdrBanks\": [",
            card->platform, n_devices);
    for (uint32_t i = 0; i < DLOP_SWEMU_MAX_BANK_KINDS; i++) {
        for (uint32_t j = 0; j < card->banks[i].n_banks; j++) {
            const uint64_t size_mib = card->banks[i].size_kib >> 10;
            const bool is_gib = size_mib >= 1024;
            fprintf(file, "%s { \"Size\": \"%" PRIu64 "%s\" }", comma,
                    is_gib ? size_mib >> 10 : size_mib, is_gib ? "GB" : "MB");
            comma = ",";
        }
    }
    fprintf(file, " ] } ] } ] } }\n");
}
