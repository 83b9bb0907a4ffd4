// SPDX-License-Identifier: Apache-2.0
// Programs of Windows and of Linux on one mount at the same time: what one does the other must see, at once.
// Run by call_test.py as `call_client MOUNT root|other|rotten`; the volume is empty, or prepared for that set
// of cases.
#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/fs.h>

#include <holdfast/holdfast.h>
#include <holdfast/linux.h>
#include <holdfast/posix.h>

static const char *mount_path;

static const char *at(const char *name) // in the mount
{
    static char paths[4][4096];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", mount_path, name);
    return path;
}

static int posix_open(const char *name, int flags)
{
    int fd = open(at(name), flags | O_CLOEXEC, 0644);
    if (fd < 0)
        print_error("open %s: %s\n", name, strerror(errno));
    assert_true(fd >= 0);
    return fd;
}

static void posix_put(const char *name, const char *text)
{
    int fd = posix_open(name, O_WRONLY | O_CREAT | O_TRUNC);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static void posix_expect(const char *name, const char *text)
{
    char data[256] = "";
    struct stat st;
    int fd = posix_open(name, O_RDONLY);
    ssize_t n = read(fd, data, sizeof data - 1);
    assert_true(n >= 0);
    data[n] = 0;
    assert_string_equal(data, text);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, strlen(text));
    close(fd);
}

static nt_status nt_open(const char *name, uint32_t access, uint32_t share, uint32_t disposition,
                         uint32_t options, hf_handle *h)
{
    char full[512];
    snprintf(full, sizeof full, "X:/%s", name);
    return hf_open(full,
                   &(struct hf_open_options){
                       .access = access, .share = share, .disposition = disposition, .options = options},
                   h);
}

static hf_handle nt_file(const char *name, uint32_t disposition)
{
    hf_handle h;
    assert_ok(nt_open(name, GENERIC_READ | GENERIC_WRITE | DELETE, 0, disposition, 0, &h));
    return h;
}

static void nt_expect(hf_handle h, const char *text)
{
    char data[256] = "";
    size_t done;
    struct hf_stat st;
    nt_status status = hf_read(h, 0, data, sizeof data - 1, &done);
    if (text[0])
        assert_ok(status);
    else
        assert_status(status, STATUS_END_OF_FILE);
    assert_string_equal(data, text);
    assert_ok(hf_stat(h, &st));
    assert_int_equal(st.size, strlen(text));
}

static void nt_write(hf_handle h, uint64_t offset, const char *text)
{
    size_t done;
    assert_ok(hf_write(h, offset, text, strlen(text), &done));
    assert_int_equal(done, strlen(text));
}

static int setup(void **state)
{
    char spec[4096];
    (void)state;
    snprintf(spec, sizeof spec, "mount:%s", mount_path);
    assert_ok(hf_attach("X:", spec));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_ok(hf_detach("X:"));
    return 0;
}

// --- data and sizes ------------------------------------------------------------------------------

static void both_write_one_file(void **state)
{
    (void)state;
    int fd = posix_open("both", O_RDWR | O_CREAT);
    assert_int_equal(write(fd, "linux", 5), 5); // in the kernel's cache only
    hf_handle h = nt_file("both", FILE_OPEN);
    nt_expect(h, "linux");
    nt_write(h, 5, " and windows");
    posix_expect("both", "linux and windows");
    assert_int_equal(pwrite(fd, "LINUX", 5, 0), 5);
    nt_expect(h, "LINUX and windows");
    nt_write(h, HF_APPEND, "!");
    posix_expect("both", "LINUX and windows!");
    assert_ok(hf_flush(h));
    assert_ok(hf_close(h));
    close(fd);
}

static void both_set_the_size(void **state)
{
    (void)state;
    posix_put("size", "1234567890");
    int fd = posix_open("size", O_RDWR);
    hf_handle h = nt_file("size", FILE_OPEN);
    FILE_END_OF_FILE_INFORMATION end = {.EndOfFile = 4};
    assert_ok(hf_set(h, FileEndOfFileInformation, &end, sizeof end));
    posix_expect("size", "1234");
    assert_int_equal(write(fd, "abcdef", 6), 6);
    nt_expect(h, "abcdef");
    assert_int_equal(ftruncate(fd, 2), 0);
    nt_expect(h, "ab");
    end.EndOfFile = 3;
    assert_ok(hf_set(h, FileEndOfFileInformation, &end, sizeof end));
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 3);
    assert_ok(hf_close(h));
    close(fd);
}

static void overwriting_empties_it_for_all(void **state)
{
    (void)state;
    posix_put("over", "1234567890");
    posix_expect("over", "1234567890");
    hf_handle h;
    assert_ok(nt_open("over", GENERIC_READ, 0, FILE_OVERWRITE, 0, &h));
    posix_expect("over", "");
    nt_expect(h, "");
    assert_ok(hf_close(h));
    h = nt_file("over", FILE_OVERWRITE_IF);
    nt_write(h, 0, "new");
    posix_expect("over", "new");
    assert_ok(hf_close(h));
}

// The kernel cannot open what is shared with nobody; data goes through the call, and still all see it
// afterwards.
static void shared_with_nobody(void **state)
{
    (void)state;
    hf_handle h, other;
    posix_put("alone", "0123456789");
    posix_expect("alone", "0123456789"); // the kernel knows it now
    assert_ok(nt_open("alone", GENERIC_READ | GENERIC_WRITE, HF_SHARE_NONE, FILE_OPEN, 0, &h));
    assert_true(open(at("alone"), O_RDONLY | O_CLOEXEC) < 0);
    assert_int_equal(errno, EBUSY);
    assert_status(nt_open("alone", FILE_READ_DATA, 0, FILE_OPEN, 0, &other), STATUS_SHARING_VIOLATION);
    nt_write(h, 8, "ABCDEF");
    nt_expect(h, "01234567ABCDEF");
    assert_ok(hf_close(h));
    posix_expect("alone", "01234567ABCDEF");
    assert_ok(nt_open("alone", GENERIC_WRITE, HF_SHARE_NONE, FILE_OVERWRITE, 0, &h));
    nt_write(h, 0, "short");
    assert_ok(hf_close(h));
    posix_expect("alone", "short");
    int fd = posix_open("alone", O_RDONLY);
    assert_status(nt_open("alone", FILE_READ_DATA, HF_SHARE_NONE, FILE_OPEN, 0, &h),
                  STATUS_SHARING_VIOLATION);
    close(fd); // the kernel tells the mount a little later; that is waited for
    assert_ok(nt_open("alone", FILE_READ_DATA, HF_SHARE_NONE, FILE_OPEN, 0, &h));
    assert_ok(hf_close(h));
}

static void named_streams(void **state)
{
    (void)state;
    hf_handle h;
    char data[16];
    size_t done;
    posix_put("plain", "default");
    assert_ok(hf_open(
        "X:\\plain:other",
        &(struct hf_open_options){.access = GENERIC_READ | GENERIC_WRITE, .disposition = FILE_CREATE}, &h));
    nt_write(h, 0, "named");
    assert_ok(hf_read(h, 0, data, sizeof data, &done));
    assert_int_equal(done, 5);
    assert_ok(hf_close(h));
    posix_expect("plain", "default");
}

static void zeroed_ranges(void **state)
{
    (void)state;
    enum { SIZE = 1 << 18 };
    char *data = malloc(SIZE);
    memset(data, 'x', SIZE);
    int fd = posix_open("zero", O_RDWR | O_CREAT);
    assert_int_equal(write(fd, data, SIZE), SIZE);
    const char *map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    assert_int_equal(map[70000], 'x');
    hf_handle h = nt_file("zero", FILE_OPEN);
    uint64_t range[2] = {65536, 131072};
    assert_ok(hf_ioctl(h, FSCTL_SET_ZERO_DATA, range, sizeof range, NULL, 0, NULL));
    assert_int_equal(pread(fd, data, SIZE, 0), SIZE);
    assert_int_equal(data[65535], 'x');
    assert_int_equal(data[65536], 0);
    assert_int_equal(data[131071], 0);
    assert_int_equal(data[131072], 'x');
    assert_int_equal(map[70000], 0);
    assert_ok(hf_close(h));
    munmap((void *)(uintptr_t)map, SIZE);
    close(fd);
    free(data);
}

// The source is a handle of this process, its data still in the kernel's cache.
static void clones(void **state)
{
    (void)state;
    enum { SIZE = 65536 };
    static char data[SIZE], back[SIZE];
    memset(data, 'c', SIZE);
    int from = posix_open("source", O_RDWR | O_CREAT), to = posix_open("clone", O_RDWR | O_CREAT);
    assert_int_equal(write(from, data, SIZE), SIZE);
    assert_int_equal(ftruncate(to, SIZE), 0);
    assert_int_equal(pread(to, back, SIZE, 0), SIZE);
    hf_handle source = nt_file("source", FILE_OPEN), clone = nt_file("clone", FILE_OPEN);
    DUPLICATE_EXTENTS_DATA what = {.FileHandle = source, .ByteCount = SIZE};
    assert_ok(hf_ioctl(clone, FSCTL_DUPLICATE_EXTENTS_TO_FILE, &what, sizeof what, NULL, 0, NULL));
    assert_int_equal(pread(to, back, SIZE, 0), SIZE);
    assert_memory_equal(data, back, SIZE);
    assert_ok(hf_close(source));
    assert_status(hf_ioctl(clone, FSCTL_DUPLICATE_EXTENTS_TO_FILE, &what, sizeof what, NULL, 0, NULL),
                  STATUS_INVALID_PARAMETER);
    assert_ok(hf_close(clone));
    close(from), close(to);
}

static void large_transfers(void **state)
{
    (void)state;
    enum { SIZE = (1 << 20) * 3 + 777 };
    unsigned char *data = malloc(SIZE), *back = malloc(SIZE);
    size_t done;
    hf_handle h;
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (unsigned char)(i * 7 >> 5);
    for (int share = 0; share < 2; share++) {
        assert_ok(nt_open("large", GENERIC_READ | GENERIC_WRITE, share ? HF_SHARE_NONE : 0, FILE_OVERWRITE_IF,
                          0, &h));
        assert_ok(hf_write(h, 0, data, SIZE, &done));
        assert_int_equal(done, SIZE);
        assert_ok(hf_read(h, 0, back, SIZE, &done));
        assert_int_equal(done, SIZE);
        assert_memory_equal(data, back, SIZE);
        assert_ok(hf_close(h));
        int fd = posix_open("large", O_RDONLY);
        assert_int_equal(read(fd, back, SIZE), SIZE);
        assert_memory_equal(data, back, SIZE);
        close(fd);
    }
    free(data);
    free(back);
}

// --- names ---------------------------------------------------------------------------------------

static void names_change_for_all(void **state)
{
    (void)state;
    struct stat st;
    assert_int_not_equal(stat(at("dir"), &st), 0); // that there is none may be remembered
    hf_handle h, dir;
    assert_ok(nt_open("dir", 0, 0, FILE_CREATE, FILE_DIRECTORY_FILE, &dir));
    assert_int_equal(stat(at("dir"), &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(st.st_uid, getuid());
    assert_int_not_equal(stat(at("dir/file"), &st), 0);
    h = nt_file("dir/file", FILE_CREATE);
    nt_write(h, 0, "1");
    posix_expect("dir/file", "1");
    assert_int_equal(stat(at("dir/moved"), &st), -1);
    assert_ok(hf_rename(h, NULL, "X:/dir/moved", false));
    assert_int_equal(stat(at("dir/file"), &st), -1);
    posix_expect("dir/moved", "1");
    assert_ok(hf_link(h, NULL, "X:/dir/second", false));
    assert_int_equal(stat(at("dir/second"), &st), 0);
    assert_int_equal(st.st_nlink, 2);
    assert_int_equal(rename(at("dir/moved"), at("dir/again")), 0);
    char path[64];
    assert_ok(hf_close(h));
    h = nt_file("dir/again", FILE_OPEN);
    assert_ok(hf_path(h, path, sizeof path));
    assert_string_equal(path, "/dir/again");
    assert_ok(hf_delete(h));
    assert_ok(hf_close(h));
    assert_int_equal(stat(at("dir/again"), &st), -1);
    assert_int_equal(unlink(at("dir/second")), 0);
    assert_ok(hf_close(dir));
    assert_int_equal(rmdir(at("dir")), 0);
    assert_status(nt_open("dir", 0, 0, FILE_OPEN, 0, &dir), STATUS_OBJECT_NAME_NOT_FOUND);
}

static void deleted_on_close(void **state)
{
    (void)state;
    hf_handle h;
    struct stat st;
    for (int i = 0; i < 20; i++) {
        assert_ok(nt_open("goes", GENERIC_WRITE | DELETE, 0, FILE_CREATE, FILE_DELETE_ON_CLOSE, &h));
        nt_write(h, 0, "x");
        assert_int_equal(stat(at("goes"), &st), 0);
        assert_ok(hf_close(h));
        assert_int_equal(stat(at("goes"), &st), -1);
    }
}

static void reparse_points_change_the_type(void **state)
{
    (void)state;
    // "other", relative
    static const unsigned char link[] = {0x0c, 0, 0,   0xa0, 0x20, 0, 0,   0, 0,   0, 10,  0, 10,  0,
                                         10,   0, 1,   0,    0,    0, 'o', 0, 't', 0, 'h', 0, 'e', 0,
                                         'r',  0, 'o', 0,    't',  0, 'h', 0, 'e', 0, 'r', 0};
    static const unsigned char remove[8] = {0x0c, 0, 0, 0xa0};
    char target[64] = "";
    struct stat st;
    posix_put("turns", "");
    assert_int_equal(lstat(at("turns"), &st), 0);
    hf_handle h;
    assert_ok(nt_open("turns", GENERIC_WRITE, 0, FILE_OPEN, FILE_OPEN_REPARSE_POINT, &h));
    assert_ok(hf_ioctl(h, FSCTL_SET_REPARSE_POINT, link, sizeof link, NULL, 0, NULL));
    assert_int_equal(lstat(at("turns"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(readlink(at("turns"), target, sizeof target), 5);
    assert_string_equal(target, "other");
    posix_put("other", "over there");
    hf_handle through;
    assert_ok(nt_open("turns", FILE_READ_DATA | FILE_READ_ATTRIBUTES, 0, FILE_OPEN, 0, &through));
    nt_expect(through, "over there");
    assert_ok(hf_close(through));
    assert_ok(hf_ioctl(h, FSCTL_DELETE_REPARSE_POINT, remove, sizeof remove, NULL, 0, NULL));
    assert_int_equal(lstat(at("turns"), &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_ok(hf_close(h));
}

// Linux' own links, seen from Windows.
static void links_of_linux(void **state)
{
    (void)state;
    hf_handle h;
    posix_put("target", "t");
    assert_int_equal(symlink("target", at("soft")), 0);
    assert_ok(nt_open("soft", FILE_READ_DATA | FILE_READ_ATTRIBUTES, 0, FILE_OPEN, 0, &h));
    nt_expect(h, "t");
    assert_ok(hf_close(h));
}

// --- locks ---------------------------------------------------------------------------------------

static void locks(void **state)
{
    (void)state;
    posix_put("locked", "0123456789");
    hf_handle a = nt_file("locked", FILE_OPEN), b = nt_file("locked", FILE_OPEN);
    size_t done;
    char byte;
    assert_ok(hf_lock(a, 2, 4, true, false));
    assert_status(hf_lock(b, 5, 1, false, false), STATUS_LOCK_NOT_GRANTED);
    assert_status(hf_read(b, 5, &byte, 1, &done), STATUS_FILE_LOCK_CONFLICT);
    assert_status(hf_write(b, 5, "x", 1, &done), STATUS_FILE_LOCK_CONFLICT);
    nt_write(a, 5, "x");
    int fd = posix_open("locked", O_RDWR);
    struct flock flock = {.l_type = F_WRLCK, .l_start = 3, .l_len = 1};
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &flock), -1);
    assert_ok(hf_unlock(a, 2, 4));
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &flock), 0);
    assert_status(hf_lock(a, 0, 10, true, false), STATUS_LOCK_NOT_GRANTED);
    close(fd);
    assert_ok(hf_lock(a, 0, 10, true, true));
    assert_ok(hf_close(a)); // and with it the lock
    assert_ok(hf_lock(b, 0, 10, true, true));
    assert_ok(hf_close(b));
}

// --- whoever is killed ---------------------------------------------------------------------------

static void a_killed_process_holds_nothing(void **state)
{
    (void)state;
    hf_handle h;
    int go[2];
    char byte;
    posix_put("held", "x");
    assert_int_equal(pipe(go), 0);
    pid_t child = fork();
    if (child == 0) {
        char spec[4096];
        snprintf(spec, sizeof spec, "mount:%s", mount_path);
        if (hf_attach("Y:", spec) != STATUS_SUCCESS ||
            hf_open("Y:/held", &(struct hf_open_options){.access = FILE_READ_DATA, .share = HF_SHARE_NONE},
                    &h) != STATUS_SUCCESS)
            _exit(1);
        (void)!write(go[1], "x", 1);
        for (;;)
            pause();
    }
    assert_int_equal(read(go[0], &byte, 1), 1);
    assert_status(nt_open("held", FILE_READ_DATA, 0, FILE_OPEN, 0, &h), STATUS_SHARING_VIOLATION);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_ok(nt_open("held", FILE_READ_DATA, 0, FILE_OPEN, 0, &h));
    assert_ok(hf_close(h));
    close(go[0]);
    close(go[1]);
}

// --- paths of Linux ------------------------------------------------------------------------------

static void plain_paths(void **state)
{
    (void)state;
    hf_handle h, root;
    struct hf_open_options o = {.access = FILE_READ_DATA | FILE_READ_ATTRIBUTES};
    char path[64], point[4096], inside[64];
    assert_int_equal(mkdir(at("plain dir"), 0755), 0);
    posix_put("plain dir/file", "here");
    assert_ok(hf_open(at("plain dir/file"), &o, &h));
    nt_expect(h, "here");
    assert_ok(hf_path(h, path, sizeof path));
    assert_string_equal(path, "/plain dir/file");
    assert_ok(hf_close(h));
    assert_ok(hf_open(mount_path, NULL, &root));
    assert_ok(hf_path(root, path, sizeof path));
    assert_string_equal(path, "/");
    o.root = root;
    assert_ok(hf_open("plain dir/file", &o, &h));
    nt_expect(h, "here");
    assert_ok(hf_close(h));
    assert_ok(hf_close(root));
    assert_int_equal(chdir(at("plain dir")), 0);
    assert_ok(hf_mount_of("file", point, sizeof point, inside, sizeof inside));
    assert_string_equal(point, mount_path);
    assert_string_equal(inside, "/plain dir/file");
    assert_int_equal(chdir("/"), 0);
    o.root = NULL;
    assert_status(hf_open(at("plain dir/none"), &o, &h), STATUS_OBJECT_NAME_NOT_FOUND);
    assert_status(hf_open(at("plain dir/file/"), &o, &h), STATUS_NOT_A_DIRECTORY);
    assert_ok(hf_mount_of(at("plain dir/../plain dir/none"), point, sizeof point, inside, sizeof inside));
    assert_string_equal(inside, "/plain dir/none");
    assert_status(hf_mount_of(at("plain dir/file"), point, 3, inside, sizeof inside),
                  STATUS_BUFFER_TOO_SMALL);
    char devices[64];
    assert_ok(hf_list_devices(devices, sizeof devices));
    assert_string_equal(devices, "X:");
    assert_int_equal(devices[3], 0);
}

// --- holdfast/linux.h ----------------------------------------------------------------------------

static uint32_t ask(int fd, uint32_t code, const void *in, uint32_t in_length, void *out, uint32_t out_length)
{
    uint32_t done, status;
    assert_int_equal(hf_linux_ioctl(fd, code, in, in_length, out, out_length, &done, &status), 0);
    return status;
}

static void any_descriptor(void **state)
{
    (void)state;
    FSCTL_GET_INTEGRITY_INFORMATION_BUFFER get;
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER set = {.ChecksumAlgorithm = CHECKSUM_TYPE_UNCHANGED, .Flags = 1};
    uint32_t done, status;
    int rw = posix_open("codes", O_RDWR | O_CREAT), r = posix_open("codes", O_RDONLY),
        dir = posix_open("", O_RDONLY);
    assert_int_equal(ask(rw, FSCTL_GET_INTEGRITY_INFORMATION, NULL, 0, &get, sizeof get), STATUS_SUCCESS);
    assert_int_equal(get.ChecksumAlgorithm, CHECKSUM_TYPE_CRC32);
    assert_int_equal(ask(r, FSCTL_SET_INTEGRITY_INFORMATION, &set, sizeof set, NULL, 0),
                     (uint32_t)STATUS_ACCESS_DENIED);
    assert_int_equal(ask(rw, FSCTL_SET_INTEGRITY_INFORMATION, &set, sizeof set, NULL, 0), STATUS_SUCCESS);
    assert_int_equal(ask(r, FSCTL_GET_INTEGRITY_INFORMATION, NULL, 0, &get, sizeof get), STATUS_SUCCESS);
    assert_int_equal(get.Flags, 1);
    set.Flags = 0;
    assert_int_equal(ask(dir, FSCTL_SET_INTEGRITY_INFORMATION, &set, sizeof set, NULL, 0), STATUS_SUCCESS);
    assert_int_equal(ask(rw, 0x00091234, NULL, 0, NULL, 0), (uint32_t)STATUS_INVALID_DEVICE_REQUEST);
    assert_int_equal(ask(dir, FSCTL_DISMOUNT_VOLUME, NULL, 0, NULL, 0), (uint32_t)STATUS_ACCESS_DENIED);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int error =
        hf_linux_ioctl(null, FSCTL_GET_INTEGRITY_INFORMATION, NULL, 0, &get, sizeof get, &done, &status);
    assert_true(HF_LINUX_NOT_A_MOUNT(error));
    close(null), close(rw), close(r), close(dir);
}

// Case 68 of the integrity specification: enforcement is on again, the algorithm is as before.
static void case_68_cifs_ioc_set_integrity(void **state)
{
    (void)state;
    FSCTL_GET_INTEGRITY_INFORMATION_BUFFER get;
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER set = {.ChecksumAlgorithm = CHECKSUM_TYPE_UNCHANGED, .Flags = 1};
    int fd = posix_open("cifs", O_RDWR | O_CREAT), r = posix_open("cifs", O_RDONLY),
        dir = posix_open("", O_RDONLY);
    assert_int_equal(write(fd, "data", 4), 4);
    assert_int_equal(ask(fd, FSCTL_SET_INTEGRITY_INFORMATION, &set, sizeof set, NULL, 0), STATUS_SUCCESS);
    assert_int_equal(ioctl(r, _IO(0xCF, 4)), -1);
    assert_int_equal(errno, EACCES);
    assert_int_equal(ioctl(fd, _IO(0xCF, 4)), 0);
    assert_int_equal(ask(fd, FSCTL_GET_INTEGRITY_INFORMATION, NULL, 0, &get, sizeof get), STATUS_SUCCESS);
    assert_int_equal(get.Flags, 0);
    assert_int_equal(get.ChecksumAlgorithm, CHECKSUM_TYPE_CRC32);
    assert_int_equal(ioctl(dir, _IO(0xCF, 4)), 0);
    close(fd), close(r), close(dir);
}

static void other_ioctls(void **state)
{
    (void)state;
    int from = posix_open("from", O_RDWR | O_CREAT), to = posix_open("to", O_RDWR | O_CREAT), flags;
    struct file_clone_range range = {.src_fd = from};
    assert_int_equal(write(from, "x", 1), 1);
    assert_int_equal(ioctl(from, FS_IOC_GETFLAGS, &flags), -1);
    assert_int_equal(errno, ENOTTY);
    assert_int_equal(ioctl(from, _IOR('x', 1, int), &flags), -1);
    assert_int_equal(errno, ENOTTY);
    // The kernel keeps these to itself and has no way to ask a FUSE file system.
    assert_int_equal(ioctl(to, FICLONE, from), -1);
    assert_int_equal(errno, EOPNOTSUPP);
    assert_int_equal(ioctl(to, FICLONERANGE, &range), -1);
    assert_int_equal(errno, EOPNOTSUPP);
    close(from), close(to);
}

struct asker {
    int fd, number;
};

static void *ask_much(void *context)
{
    struct asker *asker = context;
    unsigned char in[MAXIMUM_REPARSE_DATA_BUFFER_SIZE] = {0x25, 0, 0, 0x80, 0xf8, 0x3f}, out[sizeof in];
    uint32_t done, status;
    memset(in + 8, asker->number, sizeof in - 8);
    for (int i = 0; i < 40; i++) {
        if (hf_linux_ioctl(asker->fd, FSCTL_SET_REPARSE_POINT, in, sizeof in, NULL, 0, &done, &status) ||
            status ||
            hf_linux_ioctl(asker->fd, FSCTL_GET_REPARSE_POINT, NULL, 0, out, sizeof out, &done, &status) ||
            status || done != sizeof out)
            return asker;
        for (size_t at = 9; at < sizeof out; at++) // somebody's, and his alone
            if (out[at] != out[8])
                return asker;
    }
    return NULL;
}

static void pieces_of_many_threads(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct asker askers[THREADS];
    int fd = posix_open("pieces", O_RDWR | O_CREAT);
    for (int i = 0; i < THREADS; i++) {
        askers[i] = (struct asker){fd, i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, ask_much, &askers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    close(fd);
}

// --- damage, prepared by call_test.py ------------------------------------------------------------

static void rot_has_its_own_status(void **state)
{
    (void)state;
    hf_handle h;
    static char data[65536];
    size_t done;
    assert_ok(nt_open("rotten", GENERIC_READ, 0, FILE_OPEN, 0, &h));
    assert_status(hf_read(h, 20000, data, 100, &done), STATUS_DATA_CHECKSUM_ERROR);
    assert_ok(hf_read(h, 0, data, 16384, &done));
    assert_int_equal(done, 16384);
    assert_ok(hf_close(h));
    int fd = posix_open("rotten", O_RDONLY);
    assert_int_equal(pread(fd, data, 100, 20000), -1);
    assert_int_equal(errno, EIO);
    close(fd);
}

// --- somebody who may not do everything ----------------------------------------------------------

static void others_have_their_rights(void **state)
{
    (void)state;
    hf_handle h;
    struct stat st;
    assert_int_not_equal(getuid(), 0);
    assert_ok(nt_open("readable", FILE_READ_DATA, 0, FILE_OPEN, 0, &h));
    assert_ok(hf_close(h));
    assert_status(nt_open("readable", FILE_WRITE_DATA, 0, FILE_OPEN, 0, &h), STATUS_ACCESS_DENIED);
    assert_status(nt_open("readable", DELETE, 0, FILE_OPEN, 0, &h), STATUS_ACCESS_DENIED);
    assert_status(nt_open("secret", FILE_READ_DATA, 0, FILE_OPEN, 0, &h), STATUS_ACCESS_DENIED);
    assert_status(nt_open("closed/file", FILE_READ_DATA, 0, FILE_OPEN, 0, &h), STATUS_ACCESS_DENIED);
    assert_status(nt_open("new", FILE_WRITE_DATA, 0, FILE_CREATE, 0, &h), STATUS_ACCESS_DENIED);
    assert_status(hf_open("\\\\.\\X:", &(struct hf_open_options){.access = GENERIC_READ}, &h),
                  STATUS_ACCESS_DENIED);
    assert_ok(nt_open("shared/new", GENERIC_READ | GENERIC_WRITE, 0, FILE_CREATE, 0, &h));
    nt_write(h, 0, "mine");
    assert_ok(hf_close(h));
    posix_expect("shared/new", "mine");
    assert_int_equal(stat(at("shared/new"), &st), 0);
    assert_int_equal(st.st_uid, getuid());
    assert_int_equal(st.st_gid, getgid());
    assert_status(nt_open("sticky/file", DELETE, 0, FILE_OPEN, 0, &h), STATUS_ACCESS_DENIED);
    // By a descriptor.
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER set = {.ChecksumAlgorithm = CHECKSUM_TYPE_UNCHANGED};
    static const unsigned char tag[9] = {0x0b, 0, 0, 0x80, 1}, device[8] = {0x25, 0, 0, 0x80};
    int fd = posix_open("readable", O_RDONLY), dir = posix_open("", O_RDONLY);
    assert_int_equal(ask(fd, FSCTL_SET_INTEGRITY_INFORMATION, &set, sizeof set, NULL, 0),
                     (uint32_t)STATUS_ACCESS_DENIED);
    assert_int_equal(ask(dir, FSCTL_SET_INTEGRITY_INFORMATION, &set, sizeof set, NULL, 0),
                     (uint32_t)STATUS_ACCESS_DENIED);
    close(fd), close(dir);
    // Who may write a file may not make a link of it, unless he might replace it.
    fd = posix_open("writable", O_RDWR);
    assert_int_equal(ask(fd, FSCTL_SET_REPARSE_POINT, tag, sizeof tag, NULL, 0),
                     (uint32_t)STATUS_ACCESS_DENIED);
    close(fd);
    fd = posix_open("shared/new", O_RDWR);
    assert_int_equal(ask(fd, FSCTL_SET_REPARSE_POINT, device, sizeof device, NULL, 0),
                     (uint32_t)STATUS_ACCESS_DENIED); // LX_CHR: devices are root's
    assert_int_equal(ask(fd, FSCTL_SET_REPARSE_POINT, tag, sizeof tag, NULL, 0), STATUS_SUCCESS);
    close(fd);
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test(name)
    const struct CMUnitTest root[] = {
        CASE(both_write_one_file),
        CASE(both_set_the_size),
        CASE(overwriting_empties_it_for_all),
        CASE(shared_with_nobody),
        CASE(named_streams),
        CASE(zeroed_ranges),
        CASE(clones),
        CASE(large_transfers),
        CASE(names_change_for_all),
        CASE(deleted_on_close),
        CASE(reparse_points_change_the_type),
        CASE(links_of_linux),
        CASE(locks),
        CASE(a_killed_process_holds_nothing),
        CASE(plain_paths),
        CASE(any_descriptor),
        CASE(case_68_cifs_ioc_set_integrity),
        CASE(other_ioctls),
        CASE(pieces_of_many_threads),
    };
    const struct CMUnitTest other[] = {CASE(others_have_their_rights)};
    const struct CMUnitTest rotten[] = {CASE(rot_has_its_own_status)};
    if (argc != 3)
        return 2;
    mount_path = argv[1];
    if (strcmp(argv[2], "other") == 0)
        return cmocka_run_group_tests(other, setup, teardown);
    if (strcmp(argv[2], "rotten") == 0)
        return cmocka_run_group_tests(rotten, setup, teardown);
    return cmocka_run_group_tests(root, setup, teardown);
}
