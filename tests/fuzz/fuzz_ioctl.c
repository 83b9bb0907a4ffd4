// SPDX-License-Identifier: Apache-2.0
// Requests with any buffers: control codes, information classes, directory classes, on a file, a directory, a
// reparse point, a named stream, the volume and a drive without a medium's file system. Input: requests of
// kind, handle, number, output length, input length, input. Each input has a fresh volume. A handle inside
// the input of a control code is the number of one of the handles, or anything.
#include "tests/fuzz/fuzz.h"

#include <holdfast/holdfast.h>

enum { REQUESTS_MAX = 32, HANDLES = 8 };

static const u32 codes[] = {
#define CODE(name, device, function, method, access) CTL_CODE(device, function, method, access),
    HF_CONTROL_CODES(CODE)
#undef CODE
};
static const u32 classes[] = {
    1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 16, 17,
    18, 19, 20, 22, 33, 34, 35, 37, 38, 46, 59, 60, 63, 64, 68, FileHfDirectoryInformation,
};
static const struct {
    const char *name;
    u32 access, disposition, options;
} opens[HANDLES] = {
    {"X:/file", GENERIC_ALL, FILE_OPEN_IF, 0},
    {"X:/directory", GENERIC_ALL, FILE_OPEN_IF, FILE_DIRECTORY_FILE},
    {"X:/directory/inner", GENERIC_READ, FILE_OPEN_IF, 0},
    {"X:/link", GENERIC_ALL, FILE_OPEN_IF, FILE_OPEN_REPARSE_POINT},
    {"X:\\file:stream", GENERIC_ALL, FILE_OPEN_IF, 0},
    {"X:/", GENERIC_ALL, FILE_OPEN, 0},
    {"\\\\.\\X:", GENERIC_ALL, FILE_OPEN, 0},
    {"\\\\.\\CdRom7", GENERIC_ALL, FILE_OPEN, 0},
};

static hf_handle handles[HANDLES];

static void begin(void)
{
    static const u8 data[40000] = {1, 2, 3};
    size_t done;
    must(hf_attach("X:", "ram:4194304,removable,cache=1M,retry-ms=0"));
    must(hf_format("X:", &(struct hf_format_options){.integrity = true}));
    must(hf_attach("CdRom7", "ram:1048576,removable,retry-ms=0"));
    for (int i = 0; i < HANDLES; i++)
        must(hf_open(opens[i].name,
                     &(struct hf_open_options){.access = opens[i].access,
                                               .disposition = opens[i].disposition,
                                               .options = opens[i].options},
                     &handles[i]));
    must(hf_write(handles[0], 0, data, sizeof data, &done));
    must(hf_write(handles[4], 0, data, 100, &done));
}

static void end(void)
{
    for (int i = 0; i < HANDLES; i++)
        must(hf_close(handles[i]));
    FUZZ_ASSERT(hf_detach("X:") != STATUS_FILES_OPEN);
    FUZZ_ASSERT(hf_detach("CdRom7") != STATUS_FILES_OPEN);
}

static void put_handle(u32 code, u8 *data, size_t length)
{
    size_t at = code == FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX ? offsetof(DUPLICATE_EXTENTS_DATA_EX, FileHandle)
                                                           : offsetof(DUPLICATE_EXTENTS_DATA, FileHandle);
    bool has_one = code == FSCTL_DUPLICATE_EXTENTS_TO_FILE || code == FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX;
    if (has_one && length >= at + sizeof(hf_handle) && get_le64(data + at) < HANDLES)
        memcpy(data + at, &handles[get_le64(data + at)], sizeof(hf_handle));
}

static void request(struct input *in)
{
    u8 kind = input_u8(in);
    hf_handle h = handles[input_u8(in) % HANDLES];
    u8 number = input_u8(in);
    u32 code = number == 255 ? input_u32(in) : codes[number % ARRAY_LEN(codes)];
    u32 class_ = number == 255 ? code : classes[number % ARRAY_LEN(classes)];
    size_t out_length = input_u16(in), done = 0, length;
    u8 want = input_u8(in);
    u8 *data = input_copy(in, want == 255 ? input_u16(in) : want, &length);
    u8 *out = malloc(out_length ? out_length : 1);
    FUZZ_ASSERT(out != NULL);
    switch (kind % 7) {
    case 0:
    case 1:
        put_handle(code, data, length);
        any(hf_ioctl(h, code, data, length, out, out_length, &done));
        break;
    case 2:
        any(hf_query(h, class_, out, out_length, &done));
        break;
    case 3:
        any(hf_set(h, class_, data, length));
        break;
    case 4:
        any(hf_query_volume(h, number % 9, out, out_length, &done));
        break;
    case 5:
        any(hf_query_directory(h, class_, NULL, kind & 8, kind & 16, out, out_length, &done));
        break;
    case 6:
        if (kind & 8)
            any(hf_write(h, code, data, length, &done));
        else
            any(hf_read(h, code, out, out_length, &done));
        break;
    }
    FUZZ_ASSERT(done <= MAX(out_length, length));
    free(data);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    begin();
    for (int i = 0; i < REQUESTS_MAX && in.left > 0; i++)
        request(&in);
    end();
    return 0;
}
