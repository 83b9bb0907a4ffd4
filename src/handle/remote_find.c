// SPDX-License-Identifier: Apache-2.0
// Which mount of a Holdfast volume a Linux path lies in, and where an image is mounted: from
// /proc/self/mountinfo, whose lines are "id parent dev root point options ... - type source ...", blanks
// written as \040.
#include "handle/handle.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

struct mount_line {
    char *root, *point, *type, *source;
};

static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        unsigned code;
        if (*from == '\\' && sscanf(from + 1, "%3o", &code) == 1 && strlen(from) > 3) {
            *to++ = (char)code;
            from += 3;
        } else {
            *to++ = *from;
        }
    }
    *to = 0;
}

static bool line_parse(char *text, struct mount_line *line)
{
    char *save, *words[64];
    size_t n = 0, dash = 0;
    for (char *word = strtok_r(text, " \n", &save); word && n < ARRAY_LEN(words);
         word = strtok_r(NULL, " \n", &save)) {
        if (!dash && n > 5 && strcmp(word, "-") == 0)
            dash = n;
        words[n++] = word;
    }
    if (!dash || n < dash + 3)
        return false;
    *line = (struct mount_line){
        .root = words[3], .point = words[4], .type = words[dash + 1], .source = words[dash + 2]};
    unescape(line->root);
    unescape(line->point);
    unescape(line->source);
    return true;
}

static bool is_holdfast(const struct mount_line *line)
{
    return strcmp(line->type, "fuse.holdfast") == 0 || strcmp(line->type, "fuseblk.holdfast") == 0;
}

// Calls visit for each mount, in the order of mounting, until it is false.
static void mounts_visit(bool (*visit)(void *context, const struct mount_line *line), void *context)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char *text = NULL;
    size_t room = 0;
    struct mount_line line;
    while (file && getline(&text, &room, file) > 0)
        if (line_parse(text, &line) && !visit(context, &line))
            break;
    free(text);
    if (file)
        fclose(file);
}

// The path without links in its directories; its last component may be a link, or may not exist.
static bool path_full(const char *path, char out[PATH_MAX])
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    SCOPE_FREE char *copy = strndup(path, length);
    if (!copy)
        return false;
    char *slash = strrchr(copy, '/');
    const char *name = slash ? slash + 1 : copy;
    // What ends in these is a directory that must exist.
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return realpath(copy, out) != NULL;
    char directory[PATH_MAX];
    if (!slash) {
        if (!realpath(".", directory))
            return false;
    } else {
        *slash = 0;
        if (!realpath(slash == copy ? "/" : copy, directory))
            return false;
    }
    if (strcmp(directory, "/") == 0)
        directory[0] = 0;
    return snprintf(out, PATH_MAX, "%s/%s", directory, name) < PATH_MAX;
}

struct search {
    const char *full;
    struct place *place;
    size_t longest;
    bool found;
};

// The deepest mount point above the path; of several on one directory the last.
static bool search_visit(void *context, const struct mount_line *line)
{
    struct search *s = context;
    size_t length = strcmp(line->point, "/") == 0 ? 0 : strlen(line->point);
    bool above = strncmp(s->full, line->point, length) == 0 && (!s->full[length] || s->full[length] == '/');
    if (!above || length < s->longest)
        return true;
    const char *below = strcmp(line->root, "/") == 0 ? "" : line->root;
    s->longest = length;
    s->found =
        is_holdfast(line) &&
        snprintf(s->place->point, sizeof s->place->point, "%s", line->point) < (int)sizeof s->place->point &&
        snprintf(s->place->below, sizeof s->place->below, "%s", below) < (int)sizeof s->place->below;
    return true;
}

nt_status place_find(const char *path, struct place *place)
{
    char full[PATH_MAX];
    struct search s = {.full = full, .place = place};
    *place = (struct place){0};
    if (path && path[0] && path_full(path, full))
        mounts_visit(search_visit, &s);
    if (!s.found) {
        status_set_text("%s: is not in a mount of a Holdfast volume", path ? path : "(null)");
        return STATUS_OBJECT_PATH_NOT_FOUND;
    }
    const char *rest = full + s.longest;
    if (snprintf(place->inside, sizeof place->inside, "%s%s", place->below, rest) >=
        (int)sizeof place->inside)
        return STATUS_OBJECT_NAME_INVALID;
    if (!place->inside[0])
        snprintf(place->inside, sizeof place->inside, "/");
    return STATUS_SUCCESS;
}

static nt_status text_out(const char *text, char *out, size_t size)
{
    if (!out || strlen(text) >= size)
        return STATUS_BUFFER_TOO_SMALL;
    memcpy(out, text, strlen(text) + 1);
    return STATUS_SUCCESS;
}

nt_status hf_mount_of(const char *path, char *point, size_t point_size, char *inside, size_t inside_size)
{
    SCOPE_FREE struct place *place = malloc(sizeof *place);
    if (point && point_size)
        point[0] = 0;
    if (inside && inside_size)
        inside[0] = 0;
    if (!place)
        return STATUS_NO_MEMORY;
    TRY(place_find(path, place));
    TRY(text_out(place->point, point, point_size));
    return text_out(place->inside, inside, inside_size);
}

struct image {
    struct stat st;
    char *point;
    size_t size;
    nt_status status;
};

// One that shows the whole volume.
static bool image_visit(void *context, const struct mount_line *line)
{
    struct image *image = context;
    struct stat st;
    if (!is_holdfast(line) || strcmp(line->root, "/") != 0 || stat(line->source, &st) != 0)
        return true;
    bool same = S_ISBLK(st.st_mode) && S_ISBLK(image->st.st_mode)
                    ? st.st_rdev == image->st.st_rdev
                    : st.st_dev == image->st.st_dev && st.st_ino == image->st.st_ino;
    if (same)
        image->status = text_out(line->point, image->point, image->size);
    return !same;
}

nt_status hf_mount_with(const char *path, char *point, size_t size)
{
    struct image image = {.point = point, .size = size, .status = STATUS_OBJECT_NAME_NOT_FOUND};
    if (point && size)
        point[0] = 0;
    if (path && stat(path, &image.st) == 0)
        mounts_visit(image_visit, &image);
    return image.status;
}
