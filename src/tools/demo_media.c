// SPDX-License-Identifier: Apache-2.0
// The demo's last step, and an example of the native API: two volumes, one removable drive, and a medium
// that is swapped under an open handle. Every call's status is compared with what
// IOCTL_STORAGE_CHECK_VERIFY's document says.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <holdfast/holdfast.h>

enum { VOLUME_SIZE = 32 << 20, TEXT_SIZE = 64 };
static const char *const colours[] = {"red", "blue"};

static _Noreturn void stop(const char *step, const char *why)
{
    fprintf(stderr, "demo: FAILED at '%s': %s: %s\n", step, why, hf_error_text());
    exit(EXIT_FAILURE);
}

static void expect(const char *step, nt_status got, nt_status expected)
{
    char why[160];
    snprintf(why, sizeof why, "%s instead of %s", hf_status_name(got), hf_status_name(expected));
    if (got != expected)
        stop(step, why);
    printf("    %-58s %s\n", step, hf_status_name(got));
}

static void quietly(const char *step, nt_status got)
{
    if (got != STATUS_SUCCESS)
        stop(step, hf_status_name(got));
}

static void move(const char *from, const char *to)
{
    if (rename(from, to) != 0)
        stop("change the medium", "cannot rename the image");
}

// What is written on the medium of this colour; no other file may hold it.
static void secret(const char *colour, char *text)
{
    memset(text, 0, TEXT_SIZE);
    snprintf(text, TEXT_SIZE, "This line belongs on the %s medium only.", colour);
}

static void make_medium(const char *image, const char *colour)
{
    char spec[4200], text[TEXT_SIZE];
    hf_handle h;
    size_t done;
    FILE *file = fopen(image, "wbe");
    if (!file || ftruncate(fileno(file), VOLUME_SIZE) != 0 || fclose(file) != 0)
        stop("make a medium", image);
    snprintf(spec, sizeof spec, "file:%s", image);
    quietly("format", hf_format(spec, &(struct hf_format_options){.integrity = true, .label = colour}));
    quietly("attach", hf_attach("W:", spec));
    struct hf_open_options create = {.access = FILE_WRITE_DATA, .disposition = FILE_CREATE};
    quietly("create", hf_open("W:/letter.txt", &create, &h));
    secret(colour, text);
    quietly("write", hf_write(h, 0, text, sizeof text, &done));
    quietly("close", hf_close(h));
    quietly("detach", hf_detach("W:"));
}

static void expect_text(const char *step, hf_handle h, const char *colour)
{
    char expected[TEXT_SIZE], text[TEXT_SIZE] = {0};
    size_t done;
    secret(colour, expected);
    expect(step, hf_read(h, 0, text, sizeof text, &done), STATUS_SUCCESS);
    if (memcmp(text, expected, sizeof text) != 0)
        stop(step, "these are not the bytes of that medium");
}

static bool image_holds(const char *image, const char *text, size_t length)
{
    char *data = malloc(VOLUME_SIZE);
    FILE *file = fopen(image, "rbe");
    if (!data || !file || fread(data, 1, VOLUME_SIZE, file) != VOLUME_SIZE)
        stop("look at the images", "cannot read");
    fclose(file);
    bool found = memmem(data, VOLUME_SIZE, text, length) != NULL;
    free(data);
    return found;
}

static nt_status check_verify(hf_handle drive, uint32_t *changes)
{
    size_t done;
    return hf_ioctl(drive, IOCTL_STORAGE_CHECK_VERIFY, NULL, 0, changes, sizeof *changes, &done);
}

int main(int argc, char **argv)
{
    if (argc != 2 || chdir(argv[1]) != 0)
        stop("start", "expects a directory to work in");
    for (int i = 0; i < 2; i++) {
        char image[16];
        snprintf(image, sizeof image, "%s.hf", colours[i]);
        make_medium(image, colours[i]);
    }

    uint32_t changes = 0;
    size_t done;
    hf_handle drive, letter, other;
    char lost[TEXT_SIZE] = "Written to the red letter while blue was in the drive.";
    struct hf_open_options both = {.access = FILE_READ_DATA | FILE_WRITE_DATA};
    puts("  The red medium is in the drive.");
    move("red.hf", "drive.hf");
    quietly("attach", hf_attach("R:", "file:drive.hf,removable"));
    expect("open R:\\letter.txt and keep it open", hf_open("R:\\letter.txt", &both, &letter), STATUS_SUCCESS);
    expect("open the drive",
           hf_open("\\\\.\\R:", &(struct hf_open_options){.access = FILE_READ_DATA}, &drive), STATUS_SUCCESS);
    expect_text("the open letter gives red's text", letter, "red");
    expect("IOCTL_STORAGE_CHECK_VERIFY", check_verify(drive, &changes), STATUS_SUCCESS);

    puts("  Somebody takes red out and puts blue in; the letter is still open.");
    move("drive.hf", "red.hf");
    move("blue.hf", "drive.hf");
    expect("IOCTL_STORAGE_CHECK_VERIFY", check_verify(drive, &changes), STATUS_VERIFY_REQUIRED);
    expect("open R:\\letter.txt anew", hf_open("R:\\letter.txt", &both, &other), STATUS_SUCCESS);
    expect_text("the new letter gives blue's text", other, "blue");
    char text[TEXT_SIZE];
    expect("read through the old handle", hf_read(letter, 0, text, sizeof text, &done), STATUS_WRONG_VOLUME);
    expect("write through the old handle", hf_write(letter, 0, lost, sizeof lost, &done),
           STATUS_WRONG_VOLUME);
    expect("close blue's letter", hf_close(other), STATUS_SUCCESS);

    puts("  Red comes back.");
    move("drive.hf", "blue.hf");
    move("red.hf", "drive.hf");
    expect("IOCTL_STORAGE_CHECK_VERIFY", check_verify(drive, &changes), STATUS_VERIFY_REQUIRED);
    expect_text("the old handle works again and gives red's text", letter, "red");
    expect("close the letter", hf_close(letter), STATUS_SUCCESS);
    expect("close the drive", hf_close(drive), STATUS_SUCCESS);
    expect("detach the drive", hf_detach("R:"), STATUS_SUCCESS);

    move("drive.hf", "red.hf");
    char red[TEXT_SIZE], blue[TEXT_SIZE];
    secret("red", red);
    secret("blue", blue);
    if (!image_holds("red.hf", red, sizeof red) || !image_holds("blue.hf", blue, sizeof blue))
        stop("look at the images", "a medium lost its own text");
    if (image_holds("red.hf", blue, sizeof blue) || image_holds("blue.hf", red, sizeof red) ||
        image_holds("red.hf", lost, sizeof lost) || image_holds("blue.hf", lost, sizeof lost))
        stop("look at the images", "bytes of one medium are on the other");
    puts("  No byte of one medium is on the other.");
    return EXIT_SUCCESS;
}
