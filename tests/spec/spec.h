// SPDX-License-Identifier: Apache-2.0
// What the conformance tests share: a fresh volume in an image file attached as X:, short calls that assert,
// and ways to damage the image. The tests use the public API only.
#ifndef TESTS_SPEC_SPEC_H
#define TESTS_SPEC_SPEC_H

#include "tests/test.h"

#include <fcntl.h>
#include <unistd.h>

#include <holdfast/holdfast.h>

enum {
    SPEC_SIZE = 64 << 20,
    READ_WRITE = FILE_READ_DATA | FILE_WRITE_DATA | FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES,
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char spec_path[64], spec_backend[80];

static inline void spec_attach(const char *more)
{
    char text[128];
    snprintf(text, sizeof text, "%s%s", spec_backend, more);
    assert_ok(hf_attach("X:", text));
}

static inline void spec_detach(void)
{
    assert_ok(hf_detach("X:"));
}

// Detach and attach again: what comes next is read from the medium. more: "" or ",readonly".
static inline void spec_remount(const char *more)
{
    spec_detach();
    spec_attach(more);
}

static inline void spec_new(const struct hf_format_options *options)
{
    snprintf(spec_path, sizeof spec_path, "/tmp/holdfast-spec-XXXXXX");
    int fd = mkstemp(spec_path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, SPEC_SIZE), 0);
    close(fd);
    snprintf(spec_backend, sizeof spec_backend, "file:%s", spec_path);
    assert_ok(hf_format(spec_backend, options));
    spec_attach("");
}

static inline void spec_free(void)
{
    spec_detach();
    unlink(spec_path);
}

static inline hf_handle spec_open(const char *name, uint32_t access, uint32_t disposition, uint32_t options)
{
    hf_handle h;
    struct hf_open_options o = {.access = access, .disposition = disposition, .options = options};
    nt_status status = hf_open(name, &o, &h);
    if (status != STATUS_SUCCESS)
        print_error("%s: %s\n", name, hf_error_text());
    assert_ok(status);
    return h;
}

static inline nt_status spec_try(const char *name, uint32_t access, uint32_t options)
{
    hf_handle h;
    struct hf_open_options o = {.access = access, .options = options};
    nt_status status = hf_open(name, &o, &h);
    if (status == STATUS_SUCCESS)
        assert_ok(hf_close(h));
    return status;
}

static inline hf_handle spec_file(const char *name)
{
    return spec_open(name, READ_WRITE | DELETE, FILE_OPEN_IF, FILE_NON_DIRECTORY_FILE);
}

static inline hf_handle spec_dir(const char *name)
{
    return spec_open(name, READ_WRITE | DELETE, FILE_OPEN_IF, FILE_DIRECTORY_FILE);
}

static inline void spec_mkdir(const char *name)
{
    assert_ok(hf_close(spec_dir(name)));
}

static inline void spec_write(hf_handle h, uint64_t offset, const void *data, size_t length)
{
    size_t done;
    assert_ok(hf_write(h, offset, data, length, &done));
    assert_int_equal(done, length);
}

static inline void spec_put(const char *name, const char *text)
{
    hf_handle h = spec_file(name);
    if (*text)
        spec_write(h, 0, text, strlen(text));
    assert_ok(hf_close(h));
}

static inline uint32_t spec_attributes(hf_handle h)
{
    FILE_BASIC_INFORMATION basic;
    size_t done;
    assert_ok(hf_query(h, FileBasicInformation, &basic, sizeof basic, &done));
    return basic.FileAttributes;
}

// Offset in the image of a byte of the file; its data must be on the medium.
static inline uint64_t spec_locate(hf_handle h, uint64_t offset, uint32_t cluster)
{
    HF_STARTING_VCN from = {(int64_t)(offset / cluster)};
    HF_RETRIEVAL_POINTERS map;
    size_t done;
    assert_ok(hf_flush(h));
    nt_status status = hf_ioctl(h, FSCTL_GET_RETRIEVAL_POINTERS, &from, sizeof from, &map, sizeof map, &done);
    assert_true(status == STATUS_SUCCESS || status == STATUS_BUFFER_OVERFLOW);
    assert_true(map.Extents[0].Lcn > 0);
    return (uint64_t)map.Extents[0].Lcn * cluster + offset % cluster;
}

// Flip a bit of the image; nothing may be attached.
static inline void spec_flip(uint64_t offset)
{
    unsigned char byte;
    int fd = open(spec_path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
    close(fd);
}

// The same for a byte of a file: locate, detach, flip, attach.
static inline void spec_rot(const char *name, uint64_t offset, uint32_t cluster)
{
    hf_handle h = spec_open(name, READ_WRITE, FILE_OPEN, FILE_OPEN_REPARSE_POINT);
    uint64_t at = spec_locate(h, offset, cluster);
    assert_ok(hf_close(h));
    spec_detach();
    spec_flip(at);
    spec_attach("");
}

#endif
