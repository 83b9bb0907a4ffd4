// SPDX-License-Identifier: Apache-2.0
// Names in every spelling, given to everything that takes one, and reparse points set from any bytes and then
// followed. Input: steps of what to do, spelling, length of the name, the name. Each input has a fresh
// volume.
#include "tests/fuzz/fuzz.h"

#include <holdfast/holdfast.h>

enum { STEPS_MAX = 24 };

static const char *const spellings[] = {
    "X:\\",    "X:/",   "",   "\\\\?\\X:\\", "\\??\\X:\\", "\\\\.\\",
    "X:\\d\\", "X:/d/", "X:", "X:\\l\\",     "X:/l/",      "X:\\file:",
};

static char *name_of(struct input *in)
{
    const char *spelling = spellings[input_u8(in) % ARRAY_LEN(spellings)];
    u8 length = input_u8(in);
    char *rest = input_text(in, length == 255 ? input_u16(in) : length);
    size_t size = strlen(spelling) + strlen(rest) + 1;
    char *name = malloc(size);
    FUZZ_ASSERT(name != NULL);
    snprintf(name, size, "%s%s", spelling, rest);
    free(rest);
    return name;
}

static nt_status open_as(const char *name, hf_handle root, u32 disposition, u32 options, hf_handle *out)
{
    return hf_open(name,
                   &(struct hf_open_options){
                       .access = GENERIC_ALL, .disposition = disposition, .options = options, .root = root},
                   out);
}

static void look(hf_handle h)
{
    static u8 buffer[4096];
    static char path[1 << 17];
    size_t done;
    if (hf_path(h, path, sizeof path) == STATUS_SUCCESS)
        FUZZ_ASSERT(path[0] == '/');
    any(hf_query(h, FileNameInformation, buffer, sizeof buffer, &done));
    any(hf_list(h, NULL, true, buffer, sizeof buffer, &done));
}

// The name through the file system, and what was made there through its own path again.
static void step_open(struct input *in, hf_handle root)
{
    hf_handle h;
    u8 how = input_u8(in);
    char *name = name_of(in);
    u32 options = (how & 8 ? FILE_DIRECTORY_FILE : 0) | (how & 16 ? FILE_OPEN_REPARSE_POINT : 0) |
                  (how & 32 ? FILE_DELETE_ON_CLOSE : 0) | (how & 64 ? FILE_OPEN_BY_FILE_ID : 0);
    if (open_as(name, how & 128 ? root : NULL, how % 6, options, &h) == STATUS_SUCCESS) {
        look(h);
        must(hf_close(h));
    }
    free(name);
}

static void step_reparse(struct input *in, bool symlink)
{
    static const char *const links[] = {"X:/l", "X:/m", "X:/d/l"};
    u8 which = input_u8(in);
    size_t done, length = input_u16(in);
    hf_handle h;
    u8 *bytes = input_copy(in, length, &length), buffer[1024] = {0};
    u32 kind = which & 8 ? FILE_DIRECTORY_FILE : FILE_NON_DIRECTORY_FILE;
    if (open_as(links[which % 3], NULL, FILE_OPEN_IF, kind | FILE_OPEN_REPARSE_POINT, &h) == STATUS_SUCCESS) {
        size_t units = 400, fixed = which & 16 ? 12 : 8;
        if (!symlink)
            any(hf_ioctl(h, FSCTL_SET_REPARSE_POINT, bytes, length, NULL, 0, &done));
        else if (hf_to_utf16((const char *)bytes, length, buffer + 8 + fixed, &units) == STATUS_SUCCESS) {
            put_le32(buffer, fixed == 12 ? IO_REPARSE_TAG_SYMLINK : IO_REPARSE_TAG_MOUNT_POINT);
            put_le16(buffer + 4, (u16)(fixed + 2 * units));
            put_le16(buffer + 10, (u16)(2 * units));
            put_le16(buffer + 12, (u16)(2 * units));
            if (fixed == 12)
                put_le32(buffer + 16, which >> 7);
            any(hf_ioctl(h, FSCTL_SET_REPARSE_POINT, buffer, 8 + fixed + 2 * units, NULL, 0, &done));
        }
        must(hf_close(h));
    }
    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        if (open_as(links[i], NULL, FILE_OPEN, 0, &h) == STATUS_SUCCESS) {
            look(h);
            must(hf_close(h));
        }
    free(bytes);
}

static void step_rename(struct input *in, hf_handle root)
{
    hf_handle h;
    u8 how = input_u8(in);
    char *name = name_of(in);
    if (open_as(how & 8 ? "X:/d" : "X:/file", NULL, FILE_OPEN, 0, &h) == STATUS_SUCCESS) {
        if (how & 1)
            any(hf_link(h, how & 2 ? root : NULL, name, how & 4));
        else
            any(hf_rename(h, how & 2 ? root : NULL, name, how & 4));
        look(h);
        must(hf_close(h));
    }
    free(name);
}

static void step_list(struct input *in, hf_handle root)
{
    static u8 buffer[4096];
    size_t done;
    char *pattern = input_text(in, input_u8(in));
    any(hf_list(root, pattern, true, buffer, sizeof buffer, &done));
    any(hf_list(root, pattern, false, buffer, sizeof buffer, &done));
    any(hf_set_label(root, pattern));
    free(pattern);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    hf_handle root, h;
    must(hf_attach("X:", "ram:4194304,cache=1M"));
    must(hf_format("X:", NULL));
    must(open_as("X:/file", NULL, FILE_CREATE, 0, &h));
    must(hf_close(h));
    must(open_as("X:/d", NULL, FILE_CREATE, FILE_DIRECTORY_FILE, &root));
    for (int i = 0; i < STEPS_MAX && in.left > 0; i++) {
        switch (input_u8(&in) % 6) {
        case 0:
        case 1:
            step_open(&in, root);
            break;
        case 2:
            step_reparse(&in, false);
            break;
        case 3:
            step_reparse(&in, true);
            break;
        case 4:
            step_rename(&in, root);
            break;
        case 5:
            step_list(&in, root);
            break;
        }
    }
    must(hf_close(root));
    must(hf_detach("X:"));
    return 0;
}
