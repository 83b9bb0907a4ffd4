// SPDX-License-Identifier: Apache-2.0
// put and get: trees between this machine and a volume. One open, one write and one close for a small
// file and a single commit at the end, so that many small files are quick. Inside a tree nothing follows
// a link, on either side: a volume from elsewhere must not be able to make `get` write outside its
// destination.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/tool.h"

enum { UNIT = 16384 }; // data is verified in units of this size

struct copy {
    struct target *t;
    bool force;
    bool stop; // the volume takes no more: reported once, not for each file
    unsigned char *buffer;
};

nt_status data_read(hf_handle h, uint64_t offset, void *buffer, size_t length, size_t *done)
{
    nt_status status = hf_read(h, offset, buffer, length, done);
    size_t first = (size_t)(UNIT - offset % UNIT);
    if (status == STATUS_DATA_CHECKSUM_ERROR && length > first)
        status = hf_read(h, offset, buffer, first, done);
    if (status == STATUS_END_OF_FILE)
        status = STATUS_SUCCESS;
    if (status != STATUS_SUCCESS)
        *done = 0;
    return status;
}

// The last component of a local path, without slashes at its end; "/" has "".
static char *local_basename(const char *path)
{
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    char *name = memory(end - start + 1);
    return memcpy(name, path + start, end - start);
}

// --- put -----------------------------------------------------------------------------------------

static void put_failed(struct copy *c, nt_status status, const char *what)
{
    c->stop |= status == STATUS_DISK_FULL || status == STATUS_MEDIA_WRITE_PROTECTED ||
               status == STATUS_WRONG_VOLUME || status == STATUS_NO_MEDIA_IN_DEVICE ||
               status == STATUS_DISK_CORRUPT_ERROR;
    fail_status(target_shown(c->t), status, "%s", what);
}

static void put_times(struct copy *c, hf_handle h, const struct stat *st)
{
    FILE_BASIC_INFORMATION basic = {.LastWriteTime = (int64_t)time_from_unix(st->st_mtim)};
    nt_status status = hf_set(h, FileBasicInformation, &basic, sizeof basic);
    if (status != STATUS_SUCCESS)
        put_failed(c, status, "cannot set the time");
}

// False: the file is not whole, and was reported.
static bool put_data(struct copy *c, int fd, hf_handle h)
{
    uint64_t offset = 0;
    for (;;) {
        ssize_t got = read(fd, c->buffer, COPY_SIZE);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            fail_errno(target_shown(c->t), "cannot read the local file");
        if (got <= 0)
            return got == 0;
        size_t done;
        nt_status status = hf_write(h, offset, c->buffer, (size_t)got, &done);
        if (status != STATUS_SUCCESS) {
            put_failed(c, status, "cannot write");
            return false;
        }
        offset += (uint64_t)got;
        progress_add((uint64_t)got, target_basename(c->t));
    }
}

static void put_file(struct copy *c, int fd, const struct stat *st)
{
    hf_handle h;
    nt_status status = target_open(c->t, FILE_WRITE_DATA | FILE_WRITE_ATTRIBUTES | DELETE,
                                   c->force ? FILE_OVERWRITE_IF : FILE_CREATE, FILE_NON_DIRECTORY_FILE, &h);
    if (status != STATUS_SUCCESS) {
        put_failed(c, status, "cannot create");
        return;
    }
    if (put_data(c, fd, h)) {
        if (st)
            put_times(c, h, st);
    } else {
        // Half a file under the right name is worse than none.
        status = hf_delete(h);
        if (status != STATUS_SUCCESS)
            put_failed(c, status, "cannot remove the incomplete file");
    }
    handle_close(c->t, h);
}

static char *local_link_target(int dirfd, const char *name)
{
    for (size_t size = 256;; size *= 2) {
        char *text = memory(size);
        ssize_t length = readlinkat(dirfd, name, text, size);
        if (length >= 0 && (size_t)length < size)
            return text;
        free(text);
        if (length < 0)
            return NULL;
    }
}

static void put_link(struct copy *c, int dirfd, const char *name, const struct stat *st)
{
    struct stat target_st;
    char *text = local_link_target(dirfd, name);
    if (!text) {
        fail_errno(target_shown(c->t), "cannot read the local link");
        return;
    }
    if (strchr(text, '\\')) {
        fail_text(target_shown(c->t), "a link whose target holds a '\\' cannot be kept: %s", text);
        free(text);
        return;
    }
    // On a volume a link is a file's or a directory's; one that leads nowhere becomes a file's.
    bool directory = fstatat(dirfd, name, &target_st, 0) == 0 && S_ISDIR(target_st.st_mode);
    hf_handle h;
    nt_status status = target_open(
        c->t, FILE_WRITE_ATTRIBUTES | DELETE, c->force ? FILE_OPEN_IF : FILE_CREATE,
        FILE_OPEN_REPARSE_POINT | (directory ? FILE_DIRECTORY_FILE : FILE_NON_DIRECTORY_FILE), &h);
    if (status != STATUS_SUCCESS) {
        put_failed(c, status, "cannot create");
        free(text);
        return;
    }
    status = reparse_set_symlink(h, text);
    if (status == STATUS_SUCCESS) {
        put_times(c, h, st);
    } else {
        put_failed(c, status, "cannot make the link");
        if (!c->force && hf_delete(h) != STATUS_SUCCESS)
            fail_text(target_shown(c->t), "cannot remove the incomplete link");
    }
    handle_close(c->t, h);
    free(text);
}

static void put_entry(struct copy *c, int dirfd, const char *name, int follow);

static int not_dots(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static void put_directory(struct copy *c, int fd, const struct stat *st)
{
    struct dirent **names;
    hf_handle h;
    nt_status status = target_open(c->t, FILE_WRITE_ATTRIBUTES, FILE_OPEN_IF, FILE_DIRECTORY_FILE, &h);
    if (status != STATUS_SUCCESS) {
        put_failed(c, status, "cannot make the directory");
        return;
    }
    int count = scandirat(fd, ".", &names, not_dots, alphasort);
    if (count < 0)
        fail_errno(target_shown(c->t), "cannot list the local directory");
    for (int i = 0; i < count; i++) {
        if (!c->stop) {
            size_t length = target_push(c->t, names[i]->d_name);
            put_entry(c, fd, names[i]->d_name, AT_SYMLINK_NOFOLLOW);
            target_pop(c->t, length);
        }
        free(names[i]);
    }
    if (count >= 0)
        free(names);
    if (!c->stop && !target_is_root(c->t))
        put_times(c, h, st);
    handle_close(c->t, h);
}

static void put_entry(struct copy *c, int dirfd, const char *name, int follow)
{
    struct stat st;
    if (fstatat(dirfd, name, &st, follow) != 0) {
        fail_errno(name, "cannot open");
        return;
    }
    if (S_ISLNK(st.st_mode)) {
        put_link(c, dirfd, name, &st);
        return;
    }
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
        note(target_shown(c->t), "skipped, neither a file, a directory nor a link");
        return;
    }
    // O_NONBLOCK: should it turn into a pipe meanwhile.
    int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (follow ? O_NOFOLLOW : 0));
    if (fd < 0 || fstat(fd, &st) != 0)
        fail_errno(target_shown(c->t), "cannot open the local file");
    else if (S_ISDIR(st.st_mode))
        put_directory(c, fd, &st);
    else
        put_file(c, fd, &st);
    if (fd >= 0)
        close(fd);
}

static uint64_t local_size(int dirfd, const char *name)
{
    struct stat st;
    uint64_t size = 0;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return 0;
    if (S_ISREG(st.st_mode))
        return (uint64_t)st.st_size;
    int fd = S_ISDIR(st.st_mode) ? openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) : -1;
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (not_dots(entry))
            size += local_size(fd, entry->d_name);
    }
    if (directory)
        closedir(directory);
    else if (fd >= 0)
        close(fd);
    return size;
}

void command_put(const struct args *args)
{
    struct target t;
    int last = args->count - 1;
    uint64_t total = 0;
    const char *stream = option_value(args, "stream");
    for (int i = 0; i < last; i++) {
        if (word_is_target(args->words[i]) && access(args->words[i], F_OK) != 0)
            usage_error("put: '%s' is on a volume; local names come first", args->words[i]);
    }
    target_parse(&t, args->words[last], TARGET_PATH);
    target_stream(&t, stream);
    struct copy c = {.t = &t, .force = option_given(args, "force")};
    if (target_attach(&t, ATTACH_WRITE)) {
        bool into = !stream && target_is_directory(&t);
        c.stop = last > 1 && !into;
        if (c.stop)
            fail_text(target_shown(&t), "is not a directory");
        c.buffer = memory(COPY_SIZE);
        for (int i = 0; isatty(STDERR_FILENO) && i < last; i++)
            total += local_size(AT_FDCWD, args->words[i]);
        progress_start(total);
        for (int i = 0; i < last && !c.stop; i++) {
            bool standard = strcmp(args->words[i], "-") == 0;
            char *name = local_basename(args->words[i]);
            size_t length = t.length;
            if (into && name[0] && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !standard)
                target_push(&t, name);
            if (standard)
                put_file(&c, STDIN_FILENO, NULL);
            else
                put_entry(&c, AT_FDCWD, args->words[i], 0);
            target_pop(&t, length);
            free(name);
        }
        progress_end();
        free(c.buffer);
    }
    target_free(&t);
}

// --- get -----------------------------------------------------------------------------------------

static void get_times(int dirfd, const char *name, const struct hf_stat *st, int flags)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, time_to_unix(st->written)};
    int result = name ? utimensat(dirfd, name, times, flags) : futimens(dirfd, times);
    if (result != 0)
        fail_errno(name ? name : "time", "cannot set the time");
}

static bool write_all(int fd, const unsigned char *data, size_t length)
{
    while (length > 0) {
        ssize_t done = write(fd, data, length);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        data += done;
        length -= (size_t)done;
    }
    return true;
}

static bool get_data(struct copy *c, hf_handle h, int fd)
{
    for (uint64_t offset = 0;;) {
        size_t done;
        nt_status status = data_read(h, offset, c->buffer, COPY_SIZE, &done);
        if (status != STATUS_SUCCESS) {
            fail_status(target_shown(c->t), status, "cannot read at offset %llu", (unsigned long long)offset);
            return false;
        }
        if (done == 0)
            return true;
        if (!write_all(fd, c->buffer, done)) {
            c->stop |= errno == ENOSPC || errno == EDQUOT;
            fail_errno(target_shown(c->t), "cannot write the local file");
            return false;
        }
        offset += done;
        progress_add(done, target_basename(c->t));
    }
}

// What the user named may be a link; what a volume names may not, or it could write anywhere.
static int no_follow(int dirfd)
{
    return dirfd == AT_FDCWD ? 0 : O_NOFOLLOW;
}

static void get_file(struct copy *c, hf_handle h, const struct hf_stat *st, int dirfd, const char *name)
{
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | no_follow(dirfd) | (c->force ? O_TRUNC : O_EXCL);
    int fd = openat(dirfd, name, flags, 0666);
    if (fd < 0) {
        fail_errno(target_shown(c->t), "cannot create the local file");
        return;
    }
    bool whole = get_data(c, h, fd);
    if (whole)
        get_times(fd, NULL, st, 0);
    if (close(fd) != 0 && whole) {
        fail_errno(target_shown(c->t), "cannot write the local file");
        whole = false;
    }
    if (!whole && unlinkat(dirfd, name, 0) != 0)
        fail_errno(name, "cannot remove the incomplete file");
}

static void get_link(struct copy *c, hf_handle h, const struct hf_stat *st, int dirfd, const char *name)
{
    union reparse_buffer buffer;
    size_t length;
    nt_status status = reparse_read(h, &buffer, &length);
    if (status != STATUS_SUCCESS) {
        fail_status(target_shown(c->t), status, "cannot read the reparse point");
        return;
    }
    char *text =
        buffer.data.ReparseTag == IO_REPARSE_TAG_SYMLINK ? reparse_posix_target(&buffer, length) : NULL;
    if (!text) {
        note(target_shown(c->t), "skipped, a reparse point that this system has no equivalent of");
        return;
    }
    if (c->force && unlinkat(dirfd, name, 0) != 0 && errno != ENOENT)
        fail_errno(target_shown(c->t), "cannot replace the local file");
    else if (symlinkat(text, dirfd, name) != 0)
        fail_errno(target_shown(c->t), "cannot make the local link");
    else
        get_times(dirfd, name, st, AT_SYMLINK_NOFOLLOW);
    free(text);
}

static void get_entry(struct copy *c, int dirfd, const char *name, bool follow);

static void get_directory(struct copy *c, hf_handle h, const struct hf_stat *st, int dirfd, const char *name)
{
    struct listing l;
    nt_status status = listing_read(h, &l);
    if (status != STATUS_SUCCESS)
        fail_status(target_shown(c->t), status, "cannot list");
    int fd = -1;
    if (mkdirat(dirfd, name, 0777) == 0 || errno == EEXIST)
        fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | no_follow(dirfd));
    if (fd < 0) {
        fail_errno(target_shown(c->t), "cannot make the local directory");
        listing_free(&l);
        return;
    }
    for (size_t i = 0; i < l.count && !c->stop; i++) {
        const char *child = l.entries[i].name;
        if (strchr(child, '/')) // no valid volume holds one
            continue;
        size_t length = target_push(c->t, child);
        get_entry(c, fd, child, false);
        target_pop(c->t, length);
    }
    get_times(fd, NULL, st, 0);
    close(fd);
    listing_free(&l);
}

static void get_entry(struct copy *c, int dirfd, const char *name, bool follow)
{
    hf_handle h;
    struct hf_stat st;
    nt_status status = target_open(c->t, FILE_READ_DATA, FILE_OPEN, follow ? 0 : FILE_OPEN_REPARSE_POINT, &h);
    if (status != STATUS_SUCCESS) {
        fail_status(target_shown(c->t), status, "cannot open");
        return;
    }
    status = hf_stat(h, &st);
    if (status != STATUS_SUCCESS)
        fail_status(target_shown(c->t), status, "cannot read");
    else if (is_link(&st))
        get_link(c, h, &st, dirfd, name);
    else if (is_directory(&st))
        get_directory(c, h, &st, dirfd, name);
    else
        get_file(c, h, &st, dirfd, name);
    handle_close(c->t, h);
}

static void add_size(void *context, struct target *t, hf_handle h, const struct hf_stat *st)
{
    (void)t, (void)h;
    *(uint64_t *)context += st->size;
}

static void get_target(struct copy *c, const char *local, bool into, const char *stream)
{
    uint64_t total = 0;
    if (isatty(STDERR_FILENO) && !stream)
        target_walk(c->t, FILE_LIST_DIRECTORY, true, add_size, &total);
    progress_start(total);
    int fd = into ? open(local, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : AT_FDCWD;
    if (into && fd < 0)
        fail_errno(local, "cannot open");
    else if (strcmp(local, "-") == 0)
        fail_text("-", "use the command cat to write to standard output");
    else
        get_entry(c, fd, into ? target_basename(c->t) : local, true);
    if (into && fd >= 0)
        close(fd);
    progress_end();
}

void command_get(const struct args *args)
{
    int last = args->count - 1;
    const char *local = args->words[last], *stream = option_value(args, "stream");
    if (word_is_target(local) && access(local, F_OK) != 0)
        usage_error("get: '%s' is on a volume; the local name comes last", local);
    struct stat st;
    bool directory = stat(local, &st) == 0 && S_ISDIR(st.st_mode);
    struct copy c = {.force = option_given(args, "force"), .buffer = memory(COPY_SIZE)};
    for (int i = 0; i < last && !c.stop; i++) {
        struct target t;
        target_parse(&t, args->words[i], TARGET_PATH);
        c.t = &t;
        // A root has no name of its own: what is in it goes to LOCAL.
        bool into = directory && !target_is_root(&t) && !stream;
        if (last > 1 && !directory) {
            fail_text(local, "is not a directory");
            c.stop = true;
        } else {
            target_stream(&t, stream);
            if (target_attach(&t, ATTACH_READ))
                get_target(&c, local, into, stream);
        }
        target_free(&t);
    }
    free(c.buffer);
}
