// SPDX-License-Identifier: Apache-2.0
// The whole stack for tests of the handle floor: an image in a temporary directory, formatted and attached as
// X:.
#ifndef TESTS_HANDLE_STACK_H
#define TESTS_HANDLE_STACK_H

#include "tests/test.h"

#include <fcntl.h>
#include <unistd.h>

#include "handle/handle.h"

#define IMAGE_SIZE (16 * MIB)

static char stack_directory[64], stack_image[128], stack_spec[160];

static inline void image_make(const char *path, const struct hf_format_options *options)
{
    char spec[160];
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)IMAGE_SIZE), 0);
    close(fd);
    snprintf(spec, sizeof spec, "file:%s", path);
    assert_ok(hf_format(spec, options));
}

static inline int stack_setup(void **state)
{
    (void)state;
    snprintf(stack_directory, sizeof stack_directory, "/tmp/holdfast-handle-XXXXXX");
    assert_non_null(mkdtemp(stack_directory));
    snprintf(stack_image, sizeof stack_image, "%s/x.hf", stack_directory);
    snprintf(stack_spec, sizeof stack_spec, "file:%s", stack_image);
    image_make(stack_image, NULL);
    assert_ok(hf_attach("X:", stack_spec));
    return 0;
}

static inline int stack_teardown(void **state)
{
    (void)state;
    assert_ok(hf_detach("X:"));
    unlink(stack_image);
    rmdir(stack_directory);
    return 0;
}

static inline nt_status stack_open(const char *name, u32 access, u32 disposition, u32 options, hf_handle *h)
{
    struct hf_open_options o = {.access = access, .disposition = disposition, .options = options};
    return hf_open(name, &o, h);
}

static inline void put(const char *name, const char *text)
{
    hf_handle h;
    size_t done;
    assert_ok(stack_open(name, GENERIC_WRITE, FILE_OVERWRITE_IF, FILE_NON_DIRECTORY_FILE, &h));
    assert_ok(hf_write(h, 0, text, strlen(text), &done));
    assert_int_equal(done, strlen(text));
    assert_ok(hf_close(h));
}

static inline void expect(const char *name, const char *text)
{
    hf_handle h;
    char data[256];
    size_t done;
    assert_ok(stack_open(name, GENERIC_READ, FILE_OPEN, 0, &h));
    assert_ok(hf_read(h, 0, data, sizeof data, &done));
    assert_int_equal(done, strlen(text));
    assert_memory_equal(data, text, done);
    assert_ok(hf_close(h));
}

static inline void make_directory(const char *name)
{
    hf_handle h;
    assert_ok(stack_open(name, 0, FILE_CREATE, FILE_DIRECTORY_FILE, &h));
    assert_ok(hf_close(h));
}

// What an open of this name says.
static inline nt_status probe(const char *name, u32 options)
{
    hf_handle h;
    nt_status status = stack_open(name, 0, FILE_OPEN, options, &h);
    if (status == STATUS_SUCCESS)
        assert_ok(hf_close(h));
    return status;
}

static inline u64 file_id(const char *name, u32 options)
{
    hf_handle h;
    struct hf_stat st;
    assert_ok(stack_open(name, 0, FILE_OPEN, options, &h));
    assert_ok(hf_stat(h, &st));
    assert_ok(hf_close(h));
    return st.id;
}

static inline void remove_name(const char *name)
{
    hf_handle h;
    assert_ok(stack_open(name, DELETE, FILE_OPEN, FILE_OPEN_REPARSE_POINT, &h));
    assert_ok(hf_delete(h));
    assert_ok(hf_close(h));
}

// A file (or, ending in a separator, a directory) that is a link. tag SYMLINK or MOUNT_POINT.
static inline void make_link(const char *name, bool directory, u32 tag, u32 flags, const char *target)
{
    u8 b[2048] = {0};
    size_t units = 900, fixed = tag == IO_REPARSE_TAG_SYMLINK ? 20 : 16;
    assert_ok(hf_to_utf16(target, strlen(target), b + fixed, &units));
    size_t bytes = units * 2;
    put_le32(b, tag);
    put_le16(b + 10, (u16)bytes);       // substitute name at 0
    put_le16(b + 12, (u16)(bytes + 2)); // then a NUL, then the print name, the same again
    put_le16(b + 14, (u16)bytes);
    if (tag == IO_REPARSE_TAG_SYMLINK)
        put_le32(b + 16, flags);
    memcpy(b + fixed + bytes + 2, b + fixed, bytes);
    size_t total = fixed + 2 * bytes + 4;
    put_le16(b + 4, (u16)(total - 8));
    hf_handle h;
    assert_ok(stack_open(
        name, FILE_WRITE_ATTRIBUTES | FILE_WRITE_DATA, FILE_OPEN_IF,
        FILE_OPEN_REPARSE_POINT | (directory ? FILE_DIRECTORY_FILE : FILE_NON_DIRECTORY_FILE), &h));
    assert_ok(hf_ioctl(h, FSCTL_SET_REPARSE_POINT, b, total, NULL, 0, NULL));
    assert_ok(hf_close(h));
}

#endif
