// SPDX-License-Identifier: Apache-2.0
// A volume for tests of the file-system floor: formatted in memory or in a temporary file, put into a drive,
// mounted, and spoken to with IRPs as the handle floor would. Everything asserts; only what a test asks about
// returns a status.
#ifndef TESTS_FS_VOLUME_H
#define TESTS_FS_VOLUME_H

#include "tests/test.h"

#include <fcntl.h>
#include <unistd.h>

#include "drive/drive.h"
#include "fs/fs.h"

enum { VOLUME_SIZE = 64 << 20, VOLUME_SHARE_ALL = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE };

struct volume {
    struct device *drive;
    struct device *device; // the volume device of the first mount; volume_open asks dev_mount again
};

static inline void volume_register(void)
{
    static bool done;
    if (!done)
        fs_register();
    done = true;
}

// Put a blk into a drive and mount it.
static inline void volume_attach(struct volume *v, struct blk *blk, bool removable)
{
    struct drive_options options = {.kind = DRIVE_DISK, .removable = removable, .retry_unit_ms = 1};
    volume_register();
    *v = (struct volume){0};
    assert_ok(drive_attach(blk, &options, &v->drive));
    assert_ok(dev_mount(v->drive, &v->device));
    assert_non_null(v->device);
}

// A fresh volume in memory; options NULL: 4 KiB clusters, nothing special.
static inline void volume_new(struct volume *v, const struct store_format_options *options)
{
    static const struct store_format_options plain = {.cluster = 4096};
    struct blk *blk;
    char spec[32];
    snprintf(spec, sizeof spec, "ram:%d", VOLUME_SIZE);
    assert_ok(blk_open(spec, 0, &blk));
    assert_ok(store_format(blk, options ? options : &plain));
    volume_attach(v, blk, false);
}

// A formatted image file, for tests that change it behind the drive's back; path is filled in (32 bytes).
static inline void volume_new_image(char *path, const char *label)
{
    struct store_format_options options = {.cluster = 4096, .label = {label, (u32)strlen(label)}};
    struct blk *blk;
    char spec[64];
    snprintf(path, 32, "/tmp/holdfast-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 16 << 20), 0);
    close(fd);
    snprintf(spec, sizeof spec, "file:%s", path);
    assert_ok(blk_open(spec, 0, &blk));
    assert_ok(store_format(blk, &options));
    blk_close(blk);
}

static inline nt_status volume_send(struct file_object *f, struct irp *irp)
{
    irp->file = f;
    irp->privileges = PRIVILEGE_CREATE_SYMBOLIC_LINK | PRIVILEGE_MANAGE_VOLUME;
    return dev_call(f->device, irp);
}

// The create of a test: fill what matters, the rest means "open, everything shared, Windows names".
struct volume_create {
    const char *path; // NULL: the volume itself; "": the root directory
    u32 access, disposition, options, attributes;
    u32 share; // VOLUME_SHARE_NONE for none
    char separator;
    bool target_directory;
    struct file_object *related;
    struct irp_reparse *reparse;
    u64 information; // out
};
enum { VOLUME_SHARE_NONE = 1 << 30 };

static inline nt_status volume_create_once(struct volume *v, struct file_object *f, struct volume_create *c)
{
    struct device *device = NULL;
    u8 buffer[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
    struct irp_reparse reparse = {.buffer = buffer};
    u32 share = c->share == VOLUME_SHARE_NONE ? 0 : c->share ? c->share : (u32)VOLUME_SHARE_ALL;
    nt_status status = dev_mount(v->drive, &device);
    if (status != STATUS_SUCCESS)
        return status;
    assert_non_null(device);
    *f = (struct file_object){.device = device,
                              .access = c->access,
                              .share = share,
                              .options = c->options,
                              .volume_open = !c->path};
    struct irp irp = {.major = IRP_MJ_CREATE};
    irp.p.create.path = (struct str){c->path ? c->path : "", c->path ? (u32)strlen(c->path) : 0};
    irp.p.create.separator = c->separator ? c->separator : '\\';
    irp.p.create.opens_root = c->path != NULL;
    irp.p.create.target_directory = c->target_directory;
    irp.p.create.related = c->related;
    irp.p.create.access = c->access;
    irp.p.create.share = share;
    irp.p.create.disposition = c->disposition;
    irp.p.create.options = c->options;
    irp.p.create.attributes = c->attributes;
    irp.p.create.reparse = c->reparse ? c->reparse : &reparse;
    status = volume_send(f, &irp);
    c->information = irp.information;
    if (status != STATUS_SUCCESS) {
        dev_release(device);
        f->device = NULL;
    }
    return status;
}

// As the handle floor: what was mounted turned out not to be there any more, so ask what is there now.
static inline nt_status volume_create(struct volume *v, struct file_object *f, struct volume_create *c)
{
    nt_status status = STATUS_SUCCESS;
    for (int turn = 0; turn < 3; turn++) {
        status = volume_create_once(v, f, c);
        if (status != STATUS_WRONG_VOLUME && status != STATUS_VOLUME_DISMOUNTED)
            break;
    }
    return status;
}

// The common case. FILE_OPEN, FILE_CREATE ... with all sharing.
static inline nt_status volume_open(struct volume *v, struct file_object *f, const char *path, u32 access,
                                    u32 disposition, u32 options)
{
    return volume_create(v, f,
                         &(struct volume_create){
                             .path = path, .access = access, .disposition = disposition, .options = options});
}

static inline nt_status volume_close(struct file_object *f)
{
    if (!f->device)
        return STATUS_SUCCESS;
    struct irp irp = {.major = IRP_MJ_CLEANUP};
    nt_status status = volume_send(f, &irp);
    irp = (struct irp){.major = IRP_MJ_CLOSE};
    assert_ok(volume_send(f, &irp));
    dev_release(f->device);
    *f = (struct file_object){0};
    return status;
}

static inline nt_status volume_fsctl(struct file_object *f, u32 code, const void *in, size_t in_length,
                                     void *out, size_t out_length, u64 *done)
{
    struct irp irp = {.major = IRP_MJ_FILE_SYSTEM_CONTROL, .minor = IRP_MN_USER_FS_REQUEST};
    irp.p.control.code = code;
    irp.p.control.in = in;
    irp.p.control.in_length = in_length;
    irp.p.control.out = out;
    irp.p.control.out_length = out_length;
    nt_status status = volume_send(f, &irp);
    if (done)
        *done = irp.information;
    return status;
}

static inline nt_status volume_ioctl(struct file_object *f, u32 code, void *out, size_t out_length, u64 *done)
{
    struct irp irp = {.major = IRP_MJ_DEVICE_CONTROL};
    irp.p.control.code = code;
    irp.p.control.out = out;
    irp.p.control.out_length = out_length;
    nt_status status = volume_send(f, &irp);
    if (done)
        *done = irp.information;
    return status;
}

static inline nt_status volume_read(struct file_object *f, u64 offset, void *data, size_t length, u64 *done)
{
    struct irp irp = {.major = IRP_MJ_READ};
    irp.p.read.data = data;
    irp.p.read.length = length;
    irp.p.read.offset = offset;
    nt_status status = volume_send(f, &irp);
    if (done)
        *done = irp.information;
    return status;
}

static inline nt_status volume_write(struct file_object *f, u64 offset, const void *data, size_t length)
{
    struct irp irp = {.major = IRP_MJ_WRITE};
    irp.p.write.data = (void *)(uintptr_t)data;
    irp.p.write.length = length;
    irp.p.write.offset = offset;
    return volume_send(f, &irp);
}

static inline nt_status volume_flush(struct file_object *f)
{
    struct irp irp = {.major = IRP_MJ_FLUSH_BUFFERS};
    return volume_send(f, &irp);
}

// QUERY_INFORMATION, or QUERY_VOLUME_INFORMATION for the major code of that name.
static inline nt_status volume_query_any(struct file_object *f, enum irp_major major, u32 class_, void *data,
                                         size_t length, u64 *done)
{
    struct irp irp = {.major = major};
    irp.p.query.class_ = class_;
    irp.p.query.data = data;
    irp.p.query.length = length;
    nt_status status = volume_send(f, &irp);
    if (done)
        *done = irp.information;
    return status;
}

static inline nt_status volume_query(struct file_object *f, u32 class_, void *data, size_t length, u64 *done)
{
    return volume_query_any(f, IRP_MJ_QUERY_INFORMATION, class_, data, length, done);
}

static inline nt_status volume_set(struct file_object *f, u32 class_, const void *data, size_t length)
{
    struct irp irp = {.major = IRP_MJ_SET_INFORMATION};
    irp.p.set.class_ = class_;
    irp.p.set.data = data;
    irp.p.set.length = length;
    return volume_send(f, &irp);
}

static inline nt_status volume_delete(struct file_object *f)
{
    FILE_DISPOSITION_INFORMATION disposition = {.DeleteFile = 1};
    return volume_set(f, FileDispositionInformation, &disposition, sizeof disposition);
}

// FileRenameInformation or FileLinkInformation: name is the last component, directory the opened parent.
static inline nt_status volume_name(struct file_object *f, u32 class_, struct file_object *directory,
                                    const char *name, u32 flags)
{
    struct irp irp = {.major = IRP_MJ_SET_INFORMATION};
    irp.p.set.class_ = class_;
    irp.p.set.target = directory;
    irp.p.set.name = (struct str){name, (u32)strlen(name)};
    irp.p.set.separator = '\\';
    irp.p.set.flags = flags;
    return volume_send(f, &irp);
}

static inline nt_status volume_list(struct file_object *f, u32 class_, const char *pattern, bool restart,
                                    bool single, void *data, size_t length, u64 *done)
{
    struct irp irp = {.major = IRP_MJ_DIRECTORY_CONTROL, .minor = IRP_MN_QUERY_DIRECTORY};
    irp.p.directory.class_ = class_;
    irp.p.directory.pattern = (struct str){pattern, pattern ? (u32)strlen(pattern) : 0};
    irp.p.directory.restart = restart;
    irp.p.directory.single = single;
    irp.p.directory.data = data;
    irp.p.directory.length = length;
    nt_status status = volume_send(f, &irp);
    if (done)
        *done = irp.information;
    return status;
}

static inline void volume_mkdir(struct volume *v, const char *path)
{
    struct file_object f;
    assert_ok(volume_open(v, &f, path, FILE_READ_ATTRIBUTES, FILE_CREATE, FILE_DIRECTORY_FILE));
    assert_ok(volume_close(&f));
}

// A file with this text as its data.
static inline void volume_put(struct volume *v, const char *path, const char *text)
{
    struct file_object f;
    assert_ok(volume_open(v, &f, path, FILE_WRITE_DATA, FILE_OVERWRITE_IF, FILE_NON_DIRECTORY_FILE));
    if (*text)
        assert_ok(volume_write(&f, 0, text, strlen(text)));
    assert_ok(volume_close(&f));
}

// Data of a file equals text.
static inline void volume_expect(struct volume *v, const char *path, const char *text)
{
    struct file_object f;
    char data[4096] = "";
    u64 done = 0;
    assert_ok(volume_open(v, &f, path, FILE_READ_DATA, FILE_OPEN, FILE_OPEN_REPARSE_POINT));
    nt_status status = volume_read(&f, 0, data, sizeof data, &done);
    if (*text)
        assert_ok(status);
    else
        assert_status(status, STATUS_END_OF_FILE);
    assert_int_equal(done, strlen(text));
    assert_memory_equal(data, text, strlen(text));
    assert_ok(volume_close(&f));
}

// What an open of the path says.
static inline nt_status volume_probe(struct volume *v, const char *path, u32 options)
{
    struct file_object f;
    nt_status status = volume_open(v, &f, path, FILE_READ_ATTRIBUTES, FILE_OPEN, options);
    if (status == STATUS_SUCCESS)
        assert_ok(volume_close(&f));
    return status;
}

// Dismount and take everything apart; all handles must be closed.
static inline void volume_free(struct volume *v)
{
    struct file_object f;
    if (volume_open(v, &f, NULL, FILE_READ_DATA, FILE_OPEN, 0) == STATUS_SUCCESS) {
        assert_ok(volume_fsctl(&f, FSCTL_DISMOUNT_VOLUME, NULL, 0, NULL, 0, NULL));
        assert_ok(volume_close(&f));
    }
    dev_release(v->device);
    dev_release(v->drive);
}

#endif
