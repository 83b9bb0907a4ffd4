// SPDX-License-Identifier: Apache-2.0
// holdfast mount: options, the session with the kernel, the daemon. Everything that can fail does so, with a
// line on stderr, before the command returns: the daemon's parent waits until the mount answers.
#include "tools/mount.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "tools/tool.h"

// --- options -------------------------------------------------------------------------------------

static uint64_t number_of(const char *name, const char *value, int base, uint64_t max)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(value, &end, base);
    if (errno || *end || !isdigit((unsigned char)value[0]) || number > max)
        usage_error("mount: option %s: '%s' is not a number that can be", name, value);
    return number;
}

static bool option_with_value(struct mount_options *o, const char *name, const char *value)
{
    if (strcmp(name, "uid") == 0)
        o->uid = (uid_t)number_of(name, value, 10, UINT32_MAX - 1);
    else if (strcmp(name, "gid") == 0)
        o->gid = (gid_t)number_of(name, value, 10, UINT32_MAX - 1);
    else if (strcmp(name, "umask") == 0)
        o->umask = (mode_t)number_of(name, value, 8, 0777);
    else if (strcmp(name, "commit") == 0)
        o->commit = (unsigned int)number_of(name, value, 10, 3600);
    else if (strcmp(name, "cache") == 0) {
        free(o->cache);
        o->cache = text_copy(value);
    } else {
        return false;
    }
    return true;
}

static bool option_is_ignored(const char *name)
{
    // What mount(8) and systemd pass on, and what is so anyway.
    static const char *const ignored[] = {
        "async",  "auto",     "noauto",   "user",     "nouser",
        "users",  "owner",    "group",    "defaults", "_netdev",
        "nofail", "relatime", "diratime", "silent",   "default_permissions"};
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++) {
        if (strcmp(name, ignored[i]) == 0)
            return true;
    }
    return strncmp(name, "x-", 2) == 0 || strncmp(name, "X-", 2) == 0 || strncmp(name, "comment=", 8) == 0;
}

static void option_apply(struct mount_options *o, char *name)
{
    const struct {
        const char *name;
        bool *field, value;
    } switches[] = {
        {"ro", &o->readonly, true},
        {"rw", &o->readonly, false},
        {"removable", &o->removable, true},
        {"allow_other", &o->allow_other, true},
        {"noallow_other", &o->no_allow_other, true},
        {"noatime", &o->noatime, true},
        {"atime", &o->noatime, false},
        {"awake", &o->awake, true},
        {"noawake", &o->awake, false},
        {"dev", &o->dev, true},
        {"nodev", &o->dev, false},
        {"suid", &o->suid, true},
        {"nosuid", &o->suid, false},
        {"exec", &o->exec, true},
        {"noexec", &o->exec, false},
        {"sloppy", &o->sloppy, true},
    };
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        if (strcmp(name, switches[i].name) == 0) {
            *switches[i].field = switches[i].value;
            return;
        }
    }
    if (!*name || option_is_ignored(name))
        return;
    char *value = strchr(name, '=');
    if (value)
        *value++ = 0;
    if (!(value && option_with_value(o, name, value)) && !o->sloppy)
        usage_error("mount: there is no option '%s%s'", name, value ? "=" : "");
}

// In a virtual machine whose processors halt when they have nothing to do the host must wake them, which
// takes longer than most requests; elsewhere a light sleep is as good.
static bool waking_is_slow(void)
{
    static const char slow[] = "haltpoll";
    char name[sizeof slow] = "";
    int fd = open("/sys/devices/system/cpu/cpuidle/current_driver", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, name, sizeof name - 1);
    close(fd);
    return got == (ssize_t)sizeof slow - 1 && memcmp(name, slow, sizeof slow) == 0;
}

static void options_parse(struct mount_options *o, const struct args *args)
{
    bool root = geteuid() == 0;
    mode_t mask = 022;
    *o = (struct mount_options){.uid = getuid(),
                                .gid = getgid(),
                                .umask = mask,
                                .commit = 5,
                                .awake = waking_is_slow(),
                                .dev = root,
                                .suid = root,
                                .exec = true};
    o->foreground = option_given(args, "foreground");
    const char *list;
    for (int i = 0; (list = option_next(args, "options", &i)) != NULL;) {
        char *copy = text_copy(list), *rest = copy, *name;
        while ((name = strsep(&rest, ",")) != NULL)
            option_apply(o, name);
        free(copy);
    }
    // As other file systems that root mounts: open to everybody whom the permissions let in.
    o->allow_other |= root && !o->no_allow_other;
}

// --- the volume ----------------------------------------------------------------------------------

static char drive[] = "X:";

static bool volume_attach(const struct mount *m)
{
    const struct mount_options *o = &m->options;
    struct stat st;
    bool device = stat(m->image, &st) == 0 && S_ISBLK(st.st_mode);
    char *spec = NULL;
    if (asprintf(&spec, "%s:%s%s%s%s%s%s", device ? "dev" : "file", m->image, o->readonly ? ",readonly" : "",
                 o->removable ? ",removable" : "", o->noatime ? "" : ",atime=relatime",
                 o->cache ? ",cache=" : "", o->cache ? o->cache : "") < 0)
        return false;
    nt_status status = hf_attach(drive, spec);
    free(spec);
    if (status == STATUS_SHARING_VIOLATION)
        fail_status(m->image, status, "is in use by another mount or program");
    else if (status != STATUS_SUCCESS)
        fail_status(m->image, status, "cannot open the image");
    return status == STATUS_SUCCESS;
}

static bool volume_open(struct mount *m)
{
    FILE_FS_ATTRIBUTE_INFORMATION *info = (FILE_FS_ATTRIBUTE_INFORMATION *)(void *)(uint64_t[64]){0};
    size_t done;
    uint32_t access = FILE_READ_ATTRIBUTES | FILE_LIST_DIRECTORY;
    if (!m->options.readonly)
        access |= FILE_ADD_FILE; // what a commit asks for
    nt_status status = hf_open("X:/", &(struct hf_open_options){.access = access}, &m->root);
    if (status == STATUS_SUCCESS)
        status = hf_query_volume(m->root, FileFsAttributeInformation, info, 512, &done);
    if (status != STATUS_SUCCESS) {
        fail_status(m->image, status, "cannot open the volume");
        return false;
    }
    m->case_sensitive = info->FileSystemAttributes & FILE_CASE_SENSITIVE_SEARCH;
    // Where two spellings are one name the kernel must not believe that it knows names.
    m->entry_timeout = m->case_sensitive ? MOUNT_ATTR_TIMEOUT : 0;
    if (info->FileSystemAttributes & FILE_READ_ONLY_VOLUME)
        m->options.readonly = true;
    return true;
}

static void volume_close(struct mount *m)
{
    if (m->root)
        (void)hf_close(m->root); // cannot fail for a handle of ours
    m->root = NULL;
    nt_status status = hf_detach(drive);
    if (status == STATUS_SUCCESS)
        return;
    fail_status(m->image, status, "cannot finish");
    syslog(LOG_ERR, "%s: cannot finish: %s", m->image, hf_status_name(status));
}

// --- the session ---------------------------------------------------------------------------------

static void mount_init(void *mount, struct fuse_conn_info *connection)
{
    (void)mount;
    const unsigned int wanted = FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK |
                                FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_CACHE_SYMLINKS |
                                FUSE_CAP_EXPLICIT_INVAL_DATA;
    // Data goes to and from memory, where it is checked; privileges are agreed upon in mount_raw.c; only we
    // change anything.
    const unsigned int unwanted = FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
                                  FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_AUTO_INVAL_DATA;
    connection->want |= wanted & connection->capable;
    connection->want &= ~unwanted;
    connection->max_background = 64;
    connection->congestion_threshold = 48;
}

static const struct fuse_lowlevel_ops operations = {
    .init = mount_init,
    .lookup = mount_lookup,
    .forget = mount_forget,
    .forget_multi = mount_forget_multi,
    .getattr = mount_getattr,
    .setattr = mount_attr_set,
    .readlink = mount_readlink,
    .mknod = mount_mknod,
    .mkdir = mount_mkdir,
    .unlink = mount_unlink,
    .rmdir = mount_rmdir,
    .symlink = mount_symlink,
    .rename = mount_rename,
    .link = mount_link,
    .open = mount_open,
    .create = mount_create,
    .read = mount_read,
    .write = mount_write,
    .release = mount_release,
    .fsync = mount_fsync,
    .opendir = mount_opendir,
    .readdir = mount_readdir,
    .readdirplus = mount_readdirplus,
    .releasedir = mount_release,
    .fsyncdir = mount_fsync,
    .statfs = mount_statfs,
    .setxattr = mount_setxattr,
    .getxattr = mount_getxattr,
    .listxattr = mount_listxattr,
    .removexattr = mount_removexattr,
    .ioctl = mount_ioctl,
    .fallocate = mount_fallocate,
    .lseek = mount_lseek,
    .copy_file_range = mount_copy_file_range,
};

// The options of mount(2) and of the FUSE module. A comma or backslash of the name is escaped.
static char *session_options(const struct mount *m)
{
    const struct mount_options *o = &m->options;
    char *name = memory(2 * strlen(m->image) + 1), *options = NULL, *p = name;
    for (const char *c = m->image; *c; c++) {
        if (*c == ',' || *c == '\\')
            *p++ = '\\';
        *p++ = *c;
    }
    if (asprintf(&options, "default_permissions,subtype=holdfast,fsname=%s,%s%s%s%s%s%s", name,
                 o->readonly ? "ro" : "rw", o->allow_other ? ",allow_other" : "", o->dev ? ",dev" : ",nodev",
                 o->suid ? ",suid" : ",nosuid", o->exec ? "" : ",noexec", o->noatime ? ",noatime" : "") < 0)
        options = NULL;
    free(name);
    return options;
}

static bool session_open(struct mount *m)
{
    char *options = session_options(m), program[] = "holdfast", flag[] = "-o";
    if (!options) {
        fail_text(m->image, "out of memory");
        return false;
    }
    char *words[] = {program, flag, options, NULL};
    struct fuse_args args = FUSE_ARGS_INIT(3, words);
    m->session = fuse_session_new(&args, &operations, sizeof operations, m);
    fuse_opt_free_args(&args); // what parsing made of them
    free(options);
    if (!m->session) {
        fail_text(m->directory, "cannot start a session");
        return false;
    }
    if (fuse_session_mount(m->session, m->directory) != 0) {
        fail_text(m->directory, "cannot mount");
        fuse_session_destroy(m->session);
        m->session = NULL;
        return false;
    }
    if (!raw_attach(m->session)) {
        fail_text(m->directory, "cannot listen to the kernel");
        fuse_session_unmount(m->session);
        fuse_session_destroy(m->session);
        m->session = NULL;
        return false;
    }
    return true;
}

static bool door_open(struct mount *m)
{
    struct call_options options = {.drive = drive,
                                   .uid = getuid(),
                                   .readonly = m->options.readonly,
                                   .unset = mount_unset,
                                   .changed = mount_note_change,
                                   .writes = mount_door_writes,
                                   .create = mount_door_create,
                                   .context = m};
    nt_status status = call_open(&options, &m->door);
    if (status != STATUS_SUCCESS)
        fail_status(m->image, status, "cannot open the door for control codes");
    return status == STATUS_SUCCESS;
}

// --- the daemon ----------------------------------------------------------------------------------

static int ready_pipe = -1;

// From now on nobody reads our lines: the parent returns to the shell.
static void daemon_ready(void *context)
{
    (void)context;
    if (ready_pipe < 0)
        return;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd <= 2; fd++)
        dup2(null, fd);
    close(null);
    (void)!write(ready_pipe, "", 1);
    close(ready_pipe);
    ready_pipe = -1;
}

// In the parent: the exit code of the command. -1 in the child.
static int daemon_start(const struct mount *m)
{
    int ends[2], status;
    char byte;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        fail_errno(m->image, "cannot start a daemon");
        return RESULT_FAILED;
    }
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        fail_errno(m->image, "cannot start a daemon");
        return RESULT_FAILED;
    }
    if (child == 0) {
        close(ends[0]);
        ready_pipe = ends[1];
        setsid();
        (void)!chdir("/");
        return -1;
    }
    close(ends[1]);
    ssize_t got;
    while ((got = read(ends[0], &byte, 1)) < 0 && errno == EINTR)
        continue;
    close(ends[0]);
    if (got == 1)
        return RESULT_OK;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : RESULT_FAILED;
}

static void session_close(struct mount *m)
{
    while (m->files)
        mount_file_free(m, m->files);
    fuse_session_destroy(m->session);
}

static void serve_kernel(struct mount *m)
{
    if (!mount_notify_start(m)) {
        fail_text(m->directory, "cannot start a thread");
        return;
    }
    bool good = session_open(m);
    if (good && !mount_live(m, daemon_ready, NULL))
        fail_text(m->directory, "the mount ended with an error");
    mount_notify_end(m);
    if (good)
        session_close(m);
}

static void serve(struct mount *m)
{
    if (!volume_attach(m))
        return;
    pthread_mutex_init(&m->files_lock, NULL);
    mount_absence_init(&m->no_capability);
    mount_absence_init(&m->no_default_acl);
    if (volume_open(m) && door_open(m)) {
        serve_kernel(m);
        call_close(m->door);
    }
    volume_close(m);
    mount_absence_destroy(&m->no_default_acl);
    mount_absence_destroy(&m->no_capability);
    pthread_mutex_destroy(&m->files_lock);
}

static char *absolute(const char *path)
{
    char *found = realpath(path, NULL);
    if (!found)
        fail_errno(path, "cannot find");
    return found;
}

static bool paths_find(struct mount *m, const struct args *args)
{
    struct stat st;
    char *image = image_of(args->words[0]);
    m->image = absolute(image);
    free(image);
    if (m->image && strchr(m->image, ',')) {
        fail_text(m->image, "the name of an image cannot hold ','");
        return false;
    }
    m->directory = m->image ? absolute(args->words[1]) : NULL;
    if (!m->directory)
        return false;
    if (stat(m->directory, &st) != 0 || !S_ISDIR(st.st_mode)) {
        fail_text(m->directory, "is not a directory");
        return false;
    }
    return true;
}

void command_mount(const struct args *args)
{
    struct mount m = {0};
    int result = -1;
    options_parse(&m.options, args);
    if (paths_find(&m, args)) {
        if (!m.options.foreground)
            result = daemon_start(&m);
        if (result < 0) {
            openlog("holdfast", LOG_PID, LOG_DAEMON);
            serve(&m);
        }
    }
    free(m.image);
    free(m.directory);
    free(m.options.cache);
    if (result > 0)
        exit(result); // the daemon said why
}

// --- umount --------------------------------------------------------------------------------------

// The image that is mounted on the directory, from the kernel's list; to be freed. NULL: none of ours.
static char *mounted_image(const char *directory)
{
    FILE *list = setmntent("/proc/self/mounts", "re");
    struct mntent *entry;
    char *image = NULL;
    while (list && (entry = getmntent(list)) != NULL) {
        if (strcmp(entry->mnt_dir, directory) != 0)
            continue;
        free(image); // the last one covers those before
        image = strcmp(entry->mnt_type, "fuse.holdfast") == 0 ? text_copy(entry->mnt_fsname) : NULL;
    }
    if (list)
        endmntent(list);
    return image;
}

// The kernel does not wait for the daemon, which holds the image's lock until all is safe. Once it is mounted
// again the lock is another's.
static void image_wait(const char *image)
{
    enum { STEP_NS = 10000000 };
    char point[PATH_MAX];
    int fd = open(image, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    while (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK &&
           hf_mount_with(image, point, sizeof point) != STATUS_SUCCESS)
        nanosleep(&(struct timespec){.tv_nsec = STEP_NS}, NULL);
    if (fd >= 0)
        close(fd);
}

void command_umount(const struct args *args)
{
    char *directory = absolute(args->words[0]), *image = directory ? mounted_image(directory) : NULL;
    bool lazy = option_given(args, "lazy");
    if (directory && !image)
        fail_text(directory, "no volume is mounted here");
    else if (image && mount_end(directory, lazy) != 0)
        fail_errno(directory, "cannot unmount");
    else if (image && !lazy)
        image_wait(image);
    free(directory);
    free(image);
}

// --- mount.holdfast, mount.fuse.holdfast ----------------------------------------------------------

// mount(8) calls: mount.TYPE SOURCE DIRECTORY [-sfnvrw] [-N namespace] [-o options] [-t type], and umount(8):
// umount.TYPE DIRECTORY [-flnrv] [-N namespace] [-t type]
int mount_helper_words(bool ends, int count, char **words, char **out)
{
    static char mount[] = "mount", umount[] = "umount", list[] = "-o", readonly[] = "ro", sloppy[] = "sloppy",
                lazy[] = "--lazy", end[] = "--";
    int n = 1, names = 0;
    char *found[2] = {NULL, NULL};
    out[n++] = ends ? umount : mount;
    for (int i = 1; i < count; i++) {
        char *word = words[i];
        if (word[0] != '-' || !word[1]) {
            if (names < 2)
                found[names] = word;
            names++;
            continue;
        }
        for (const char *letter = word + 1; *letter; letter++) {
            if (*letter == 'f' && !ends)
                return 0; // only pretend
            if (*letter == 'l' && ends) {
                out[n++] = lazy;
            } else if (!ends && (*letter == 'r' || *letter == 's')) {
                out[n++] = list;
                out[n++] = *letter == 'r' ? readonly : sloppy;
            } else if (strchr("otN", *letter)) {
                char *value = letter[1] ? word + (letter - word) + 1 : words[++i];
                if (!value || i >= count)
                    return -1;
                if (*letter == 'o' && !ends) {
                    out[n++] = list;
                    out[n++] = value;
                }
                break;
            } else if (!strchr("nvwfr", *letter)) {
                return -1;
            }
        }
    }
    if (names != (ends ? 1 : 2))
        return -1;
    out[n++] = end;
    for (int i = 0; i < names; i++)
        out[n++] = found[i];
    out[n] = NULL;
    return n;
}
