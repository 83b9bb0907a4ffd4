// SPDX-License-Identifier: Apache-2.0
// What golden images hold that `holdfast` does not write: modes, owners, devices, nanoseconds and extended
// attributes, made and compared by the engine. This table is their manifest; never change a row.
//
//     posix_image make IMAGE     add them to a volume
//     posix_image check IMAGE    compare, then change some
//     posix_image die IMAGE      flush some more, and do not close it
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <holdfast/ntfile.h>
#include <holdfast/winioctl.h>

#include "base/status.h"
#include "engine/engine.h"

struct attribute {
    const char *name;
    u32 length; // of a value made by a rule
};

static const struct file {
    const char *name;
    u32 attributes, mode, uid, gid, device, tag;
    u8 nanos[INODE_TIMES];
    struct attribute xattrs[8];
} files[] = {
    {"posix-unset", FILE_ATTRIBUTE_ARCHIVE, 0, 0, 0, 0, 0, {0}, {{0}}},
    {"posix-file", FILE_ATTRIBUTE_ARCHIVE, 0104755, 1000, 100, 0, 0, {1, 2, 98, 99}, {{"user.a", 1}}},
    {"posix-dir",
     FILE_ATTRIBUTE_DIRECTORY,
     043775,
     0,
     50,
     0,
     0,
     {99, 0, 0, 50},
     {{"system.posix_acl_default", 44}, {"system.posix_acl_access", 28}}},
    {"posix-nobody", FILE_ATTRIBUTE_ARCHIVE, 0100000, 0xFFFFFFFE, 0xFFFFFFFE, 0, 0, {0}, {{0}}},
    {"posix-null", FILE_ATTRIBUTE_REPARSE_POINT, 020666, 0, 0, 1 << 20 | 3, 0x80000025, {0}, {{0}}},
    {"posix-disk", FILE_ATTRIBUTE_REPARSE_POINT, 060660, 0, 6, 0xFFFFFFFF, 0x80000026, {5}, {{0}}},
    {"posix-fifo", FILE_ATTRIBUTE_REPARSE_POINT, 010644, 7, 7, 0, 0x80000024, {0}, {{"trusted.x", 0}}},
    {"posix-xattrs",
     FILE_ATTRIBUTE_ARCHIVE,
     0100644,
     1,
     2,
     0,
     0,
     {0},
     {{"user.empty", 0},
      {"user.4092", 4092},
      {"user.4093", 4093},
      {"user.30000", 30000},
      {"user.65536", 65536},
      {"security.capability", 20},
      {"\xFF\x01/ not UTF-8", 9}}},
};

#define MUST(call)                                                                                       \
    do {                                                                                                 \
        nt_status must_status = (call);                                                                  \
        if (must_status != STATUS_SUCCESS) {                                                             \
            fprintf(stderr, "posix_image: %s: %s %s\n", #call, status_name(must_status), status_text()); \
            exit(1);                                                                                     \
        }                                                                                                \
    } while (0)
#define SAME(a, b, name)                                                                                  \
    do {                                                                                                  \
        if ((u64)(a) != (u64)(b)) {                                                                       \
            fprintf(stderr, "posix_image: %s: %s is %llu, was %llu\n", name, #a, (unsigned long long)(a), \
                    (unsigned long long)(b));                                                             \
            exit(1);                                                                                      \
        }                                                                                                 \
    } while (0)

static struct str str_of(const char *s)
{
    return (struct str){s, (u32)strlen(s)};
}

static void fill(u8 *value, u32 length)
{
    for (u32 i = 0; i < length; i++)
        value[i] = (u8)(i / 16 + length);
}

static u32 xattr_count(const struct file *f)
{
    u32 n = 0;
    while (n < ARRAY_LEN(f->xattrs) && f->xattrs[n].name)
        n++;
    return n;
}

static void reparse_data(const struct file *f, u8 buffer[8])
{
    memset(buffer, 0, 8);
    put_le32(buffer, f->tag);
}

static void make(struct store *s, const struct file *f)
{
    u8 value[XATTR_VALUE_MAX];
    struct txn *t;
    struct inode inode = {.attributes = f->attributes,
                          .links = 1,
                          .created = 1000,
                          .accessed = 2000,
                          .written = 3000,
                          .changed = 4000,
                          .reparse_tag = f->tag,
                          .mode = f->mode,
                          .uid = f->uid,
                          .gid = f->gid,
                          .device = f->device};
    memcpy(inode.nanos, f->nanos, sizeof inode.nanos);
    MUST(txn_begin(s, TXN_NORMAL, &t));
    MUST(inode_create(t, &inode));
    MUST(dirent_add(t, OBJECT_ROOT, str_of(f->name), inode.id, f->attributes & FILE_ATTRIBUTE_DIRECTORY));
    reparse_data(f, value);
    if (f->tag)
        MUST(reparse_set(t, inode.id, value, 8));
    MUST(txn_end(t, STATUS_SUCCESS));
    for (u32 i = 0; i < xattr_count(f); i++) {
        fill(value, f->xattrs[i].length);
        MUST(txn_begin(s, TXN_NORMAL, &t));
        MUST(xattr_set(t, inode.id, str_of(f->xattrs[i].name), value, f->xattrs[i].length));
        MUST(txn_end(t, STATUS_SUCCESS));
    }
}

static void compare(struct store *s, const struct file *f)
{
    static u8 value[XATTR_VALUE_MAX], back[XATTR_VALUE_MAX];
    struct xattr_position position = {0};
    struct dirent entry;
    struct inode inode;
    u32 length, count = 0;
    MUST(dirent_find(s, OBJECT_ROOT, str_of(f->name), &entry));
    MUST(inode_get(s, entry.id, &inode));
    SAME(inode.attributes, f->attributes, f->name);
    SAME(inode.mode, f->mode, f->name);
    SAME(inode.uid, f->uid, f->name);
    SAME(inode.gid, f->gid, f->name);
    SAME(inode.device, f->device, f->name);
    SAME(inode.reparse_tag, f->tag, f->name);
    u64 times[] = {inode.created, inode.accessed, inode.written, inode.changed};
    for (u32 i = 0; i < INODE_TIMES; i++) {
        SAME(inode.nanos[i], f->nanos[i], f->name);
        SAME(times[i], 1000 * (i + 1), f->name);
    }
    reparse_data(f, value);
    if (f->tag) {
        MUST(reparse_get(s, entry.id, back, sizeof back, &length));
        SAME(length, 8, f->name);
        SAME(memcmp(back, value, 8), 0, f->name);
    }
    while (xattr_next(s, entry.id, &position, &length) == STATUS_SUCCESS)
        count++;
    SAME(count, xattr_count(f), f->name);
    for (u32 i = 0; i < count; i++) {
        const char *name = f->xattrs[i].name;
        fill(value, f->xattrs[i].length);
        MUST(xattr_get(s, entry.id, str_of(name), back, sizeof back, &length));
        SAME(length, f->xattrs[i].length, name);
        SAME(memcmp(back, value, length), 0, name);
    }
}

static void change(struct store *s, const struct file *f)
{
    static const u8 value[5000];
    struct dirent entry;
    struct inode inode;
    struct txn *t;
    MUST(dirent_find(s, OBJECT_ROOT, str_of(f->name), &entry));
    MUST(inode_get(s, entry.id, &inode));
    MUST(txn_begin(s, TXN_NORMAL, &t));
    inode.mode ^= 0777;
    inode.uid++;
    MUST(inode_put(t, &inode));
    for (u32 i = 0; i < xattr_count(f); i++)
        MUST(i % 2 == 0 ? xattr_remove(t, entry.id, str_of(f->xattrs[i].name))
                        : xattr_set(t, entry.id, str_of(f->xattrs[i].name), value, sizeof value));
    MUST(txn_end(t, STATUS_SUCCESS));
}

static u64 add(struct store *s, const char *name, bool directory)
{
    struct inode inode = {.attributes = directory ? FILE_ATTRIBUTE_DIRECTORY : FILE_ATTRIBUTE_ARCHIVE,
                          .links = 1,
                          .created = 1000,
                          .written = 2000};
    struct store_info info;
    struct txn *t;
    store_get_info(s, &info);
    inode.algorithm = info.cluster == 4096 ? CHECKSUM_TYPE_CRC32 : CHECKSUM_TYPE_CRC64;
    MUST(txn_begin(s, TXN_NORMAL, &t));
    MUST(inode_create(t, &inode));
    MUST(txn_end(t, dirent_add(t, OBJECT_ROOT, str_of(name), inode.id, directory)));
    return inode.id;
}

// A commit that says where the log is, and two entries.
static void flush_and_die(struct store *s)
{
    static u8 data[9000];
    struct stream *m;
    size_t done;
    fill(data, sizeof data);
    u64 id = add(s, "flushed", false);
    MUST(store_sync(s));
    MUST(stream_open(s, id, (struct str){NULL, 0}, &m));
    MUST(stream_write(m, 0, data, sizeof data, &done));
    MUST(store_sync(s));
    add(s, "flushed directory", true);
    MUST(stream_write(m, 5000, data, 100, &done));
    MUST(store_sync(s));
    MUST(stream_write(m, 0, data, 8000, &done)); // lost
    stream_close(m);
    (void)store_abandon(s);
}

int main(int argc, char **argv)
{
    struct blk *b;
    struct store *s;
    char spec[4096];
    bool dying = argc == 3 && strcmp(argv[1], "die") == 0;
    if (argc != 3 || (!dying && strcmp(argv[1], "make") != 0 && strcmp(argv[1], "check") != 0)) {
        fputs("usage: posix_image make|check|die IMAGE\n", stderr);
        return 2;
    }
    bool making = argv[1][0] == 'm';
    snprintf(spec, sizeof spec, "file:%s", argv[2]);
    MUST(blk_open(spec, 0, &b));
    MUST(store_open(b, 0, 0, &s));
    if (dying) {
        flush_and_die(s);
        blk_close(b);
        return 0;
    }
    for (u32 i = 0; i < ARRAY_LEN(files); i++) {
        if (making)
            make(s, &files[i]);
        else
            compare(s, &files[i]);
    }
    for (u32 i = 0; i < ARRAY_LEN(files) && !making; i++)
        change(s, &files[i]);
    MUST(store_close(s));
    blk_close(b);
    return 0;
}
