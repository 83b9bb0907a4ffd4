// SPDX-License-Identifier: Apache-2.0
// Reparse buffers for the conformance tests: every layout is built here from its parts, so that a test can
// also build the wrong ones.
#ifndef TESTS_SPEC_REPARSE_H
#define TESTS_SPEC_REPARSE_H

#include "tests/spec/spec.h"

#define TAG_A    0x80000025u // opaque Microsoft tags
#define TAG_B    0x80000026u
#define TAG_GUID 0x00001234u // needs a GUID
#define TAG_BEEF 0x0000BEEFu
#define TAG_D    0x1000BEEFu // directories with it may have children
#define MOUNT    IO_REPARSE_TAG_MOUNT_POINT
#define SYMLINK  IO_REPARSE_TAG_SYMLINK

struct buffer {
    size_t length;
    uint8_t bytes[16500];
};

static inline void put16(uint8_t *p, size_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}
static inline void put32(uint8_t *p, uint32_t v)
{
    put16(p, v & 0xffff);
    put16(p + 2, v >> 16);
}

// The 8-byte header and data.
static inline struct buffer ms(uint32_t tag, const void *data, size_t length)
{
    struct buffer b = {.length = 8 + length};
    put32(b.bytes, tag);
    put16(b.bytes + 4, length);
    if (length)
        memcpy(b.bytes + 8, data, length);
    return b;
}

// The 24-byte header, a GUID of equal bytes, and data.
static inline struct buffer guid(uint32_t tag, uint8_t id, const void *data, size_t length)
{
    struct buffer b = {.length = 24 + length};
    put32(b.bytes, tag);
    put16(b.bytes + 4, length);
    memset(b.bytes + 8, id, 16);
    if (length)
        memcpy(b.bytes + 24, data, length);
    return b;
}

// Substitute name first, print name behind it, `nul` bytes after each.
static inline struct buffer link_buffer(uint32_t tag, const char *substitute, const char *print, size_t nul,
                                        uint32_t flags)
{
    uint8_t data[4096] = {0};
    size_t fixed = tag == SYMLINK ? 12 : 8, room = 1024;
    size_t a = room, b = room;
    assert_ok(hf_to_utf16(substitute, strlen(substitute), data + fixed, &a));
    assert_ok(hf_to_utf16(print, strlen(print), data + fixed + a * 2 + nul, &b));
    put16(data + 2, a * 2);
    put16(data + 4, a * 2 + nul);
    put16(data + 6, b * 2);
    if (tag == SYMLINK)
        put32(data + 8, flags);
    return ms(tag, data, fixed + a * 2 + nul + b * 2 + nul);
}

static inline struct buffer mount_point(const char *target)
{
    return link_buffer(MOUNT, target, "print", 2, 0);
}
static inline struct buffer relative(const char *target)
{
    return link_buffer(SYMLINK, target, "print", 0, SYMLINK_FLAG_RELATIVE);
}
static inline struct buffer absolute(const char *target)
{
    return link_buffer(SYMLINK, target, "print", 0, 0);
}

static inline nt_status set_bytes(hf_handle h, const void *bytes, size_t length)
{
    size_t done;
    nt_status status = hf_ioctl(h, FSCTL_SET_REPARSE_POINT, bytes, length, NULL, 0, &done);
    assert_int_equal(done, 0);
    return status;
}

static inline nt_status set(hf_handle h, struct buffer b)
{
    return set_bytes(h, b.bytes, b.length);
}

static inline nt_status get_sized(hf_handle h, void *out, size_t length, size_t *done)
{
    return hf_ioctl(h, FSCTL_GET_REPARSE_POINT, NULL, 0, out, length, done);
}

static inline nt_status get_status(hf_handle h)
{
    uint8_t out[16384];
    size_t done;
    return get_sized(h, out, sizeof out, &done);
}

// What is stored are exactly these bytes.
static inline void expect(hf_handle h, struct buffer b)
{
    uint8_t out[16384];
    size_t done;
    assert_ok(get_sized(h, out, sizeof out, &done));
    assert_int_equal(done, b.length);
    assert_memory_equal(out, b.bytes, b.length);
}

static inline nt_status del_bytes(hf_handle h, const void *bytes, size_t length)
{
    size_t done;
    return hf_ioctl(h, FSCTL_DELETE_REPARSE_POINT, bytes, length, NULL, 0, &done);
}
static inline nt_status del(hf_handle h, uint32_t tag)
{
    struct buffer b = ms(tag, NULL, 0);
    return del_bytes(h, b.bytes, b.length);
}
static inline nt_status del_guid(hf_handle h, uint32_t tag, uint8_t id)
{
    struct buffer b = guid(tag, id, NULL, 0);
    return del_bytes(h, b.bytes, b.length);
}

static inline uint32_t tag_of(hf_handle h)
{
    FILE_ATTRIBUTE_TAG_INFORMATION info;
    size_t done;
    assert_ok(hf_query(h, FileAttributeTagInformation, &info, sizeof info, &done));
    return info.ReparseTag;
}

static inline uint64_t id_of(hf_handle h)
{
    struct hf_stat st;
    assert_ok(hf_stat(h, &st));
    return st.id;
}

// Handles on reparse points themselves.
static inline hf_handle link_file(const char *name)
{
    return spec_open(name, READ_WRITE | DELETE, FILE_OPEN_IF,
                     FILE_NON_DIRECTORY_FILE | FILE_OPEN_REPARSE_POINT);
}
static inline hf_handle link_dir(const char *name)
{
    return spec_open(name, READ_WRITE | DELETE, FILE_OPEN_IF, FILE_DIRECTORY_FILE | FILE_OPEN_REPARSE_POINT);
}

// Make one and close it.
static inline void make_file(const char *name, struct buffer b)
{
    hf_handle h = link_file(name);
    assert_ok(set(h, b));
    assert_ok(hf_close(h));
}
static inline void make_dir(const char *name, struct buffer b)
{
    hf_handle h = link_dir(name);
    assert_ok(set(h, b));
    assert_ok(hf_close(h));
}

// Both names lead to the same object.
static inline void expect_same(const char *through, const char *target)
{
    hf_handle a = spec_open(through, FILE_READ_ATTRIBUTES, FILE_OPEN, 0);
    hf_handle b = spec_open(target, FILE_READ_ATTRIBUTES, FILE_OPEN, 0);
    assert_int_equal(id_of(a), id_of(b));
    assert_ok(hf_close(a));
    assert_ok(hf_close(b));
}

#endif
