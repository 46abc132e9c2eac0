/*
 * folder.c - the folder of images: prepared models as files that all backends map.
 *
 * It lies among the server's temporary files, so that base backups skip it, no standby gets it, and the server
 * empties it whenever it starts, after a crash too.  A file's name is the hash of the model and the key of the
 * engine.  It is written under another name and renamed when it is whole, and never changed after that: who maps it
 * cannot see it shrink.  Taking it away is unlink: mappings stay good until they are undone.  Its time of change is
 * the time when somebody last used it.
 *
 * Nothing here throws or takes locks; session.c sees to it that one backend writes an image and the others wait.
 * Files belong to the server's user alone, and no symbolic link is followed.  There is no fsync: after a crash of
 * the machine the folder is emptied.
 */
#include "postgres.h"
#include "compat.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/file_perm.h"
#include "common/file_utils.h"
#include "storage/fd.h"

#include "folder.h"

#define FOLDER "base/" PG_TEMP_FILES_DIR "/" PG_TEMP_FILE_PREFIX "_maas"
#define BUILDING "building."          /* the process that writes it follows */
#define WRITE_BYTES ((size_t)2 << 20) /* a huge page: so the kernel may keep and map the file in such */
#define HASH_CHARS (MODEL_SHA256_BYTES * 2)

/* The path of an image, relative to the data directory, which every backend has as its working directory. */
static const char *Path(const uint8 *sha256)
{
    static char path[sizeof(FOLDER) + HASH_CHARS + 80];
    char *at = path + sprintf(path, "%s/", FOLDER);

    for (int i = 0; i < MODEL_SHA256_BYTES; i++)
        at += sprintf(at, "%02x", sha256[i]);
    snprintf(at, path + sizeof(path) - at, "-%s", maas_image_key());
    return path;
}

static bool IsOurFile(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_uid == geteuid() && st->st_size > 0;
}

/* ---- use ---- */

bool FolderMap(const uint8 *sha256, ImageMap *map)
{
    const char *path = Path(sha256);
    int fd = BasicOpenFile(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | PG_BINARY);
    struct stat st;

    memset(map, 0, sizeof(*map));
    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0 && IsOurFile(&st)) {
        void *bytes = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);

        if (bytes != MAP_FAILED)
            *map = (ImageMap){bytes, st.st_size, st.st_dev, st.st_ino};
    }
    close(fd);
    if (map->bytes)
        FolderTouch(sha256);
    return map->bytes != NULL;
}

void FolderUnmap(ImageMap *map)
{
    if (map->bytes)
        munmap(map->bytes, map->n_bytes);
    map->bytes = NULL;
}

bool FolderHolds(const uint8 *sha256, const ImageMap *map)
{
    struct stat st;

    return lstat(Path(sha256), &st) == 0 && st.st_dev == map->device && st.st_ino == map->inode;
}

void FolderTouch(const uint8 *sha256)
{
    utimensat(AT_FDCWD, Path(sha256), NULL,
              AT_SYMLINK_NOFOLLOW); /* where that is not possible, age is all there is */
}

bool FolderStat(const uint8 *sha256, int64 *size, time_t *used)
{
    struct stat st;

    if (lstat(Path(sha256), &st) != 0 || !IsOurFile(&st))
        return false;
    *size = st.st_size;
    *used = st.st_mtime;
    return true;
}

void FolderRemove(const uint8 *sha256)
{
    unlink(Path(sha256));
}

/* ---- writing ---- */

typedef struct Output {
    int fd;
    int error;    /* errno of the write that failed */
    char *buffer; /* WRITE_BYTES */
    size_t n;     /* in the buffer */
} Output;

static bool Flush(Output *out)
{
    const char *at = out->buffer;

    while (out->n > 0) {
        ssize_t written = write(out->fd, at, out->n);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            out->error = written < 0 ? errno : ENOSPC;
            return false;
        }
        at += written;
        out->n -= written;
    }
    return true;
}

static MaasStatus Put(void *ctx, const void *bytes, size_t n, MaasError *err)
{
    Output *out = ctx;
    const char *at = bytes;

    while (n > 0) {
        size_t step = Min(n, WRITE_BYTES - out->n);

        memcpy(out->buffer + out->n, at, step);
        out->n += step;
        at += step;
        n -= step;
        if (out->n == WRITE_BYTES && !Flush(out))
            return maas_fail(err, MAAS_ERR_LIMIT, "could not write");
    }
    return MAAS_OK;
}

/* Makes the folder; errno says why not. */
static bool MakeFolder(void)
{
    struct stat st;

    if (mkdir("base/" PG_TEMP_FILES_DIR, pg_dir_create_mode) != 0 && errno != EEXIST)
        return false;
    if (mkdir(FOLDER, S_IRWXU) != 0 && errno != EEXIST)
        return false;
    if (lstat(FOLDER, &st) != 0)
        return false;
    if (S_ISDIR(st.st_mode) && st.st_uid == geteuid())
        return true;
    errno = ENOTDIR;
    return false;
}

/* Opens a new file under the name that this process builds under. */
static int OpenNew(const char *path)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | PG_BINARY;

    if (!MakeFolder())
        return -1;
    unlink(path); /* of a process that had our number and was killed */
    return BasicOpenFilePerm(path, flags, S_IRUSR | S_IWUSR);
}

static void ClaimPath(int leader, char *path, size_t size)
{
    snprintf(path, size, "%s/%s%d.claim", FOLDER, BUILDING, leader);
}

int FolderClaim(int leader)
{
    char path[sizeof(FOLDER) + 40];
    int claim;

    ClaimPath(leader, path, sizeof(path));
    if (!MakeFolder())
        return -1;
    claim = OpenTransientFilePerm(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | PG_BINARY, S_IRUSR | S_IWUSR);
    if (claim >= 0 && flock(claim, LOCK_EX | LOCK_NB) != 0) {
        int error = errno;

        CloseTransientFile(claim);
        claim = -1;
        errno = error;
    }
    return claim;
}

void FolderUnclaim(int leader, int claim)
{
    char path[sizeof(FOLDER) + 40];

    ClaimPath(leader, path, sizeof(path));
    if (claim < 0)
        return;
    unlink(path);
    CloseTransientFile(claim);
}

static FolderResult Fail(int error, char *text, size_t size)
{
    errno = error;
    snprintf(text, size, "Writing below \"%s\" failed: %m.", FOLDER);
    return FOLDER_FAILED;
}

FolderResult FolderWrite(const uint8 *sha256, const MaasModel *model, const MaasRunOptions *options, char *text,
                         size_t size)
{
    char building[sizeof(FOLDER) + 40];
    MaasError err;
    MaasStatus status;
    Output out = {0};
    MaasSink sink = {Put, &out};

    snprintf(building, sizeof(building), "%s/%s%d", FOLDER, BUILDING, (int)MyProcPid);
    out.fd = OpenNew(building);
    if (out.fd < 0)
        return Fail(errno, text, size);
    out.buffer = maas_alloc(options->mem, WRITE_BYTES, &err);
    status = out.buffer ? maas_model_write_image(model, options, &sink, &err) : err.status;
    if (status == MAAS_OK && !Flush(&out))
        status = MAAS_ERR_LIMIT;
    maas_free(options->mem, out.buffer);
    if (close(out.fd) != 0 && status == MAAS_OK) {
        out.error = errno;
        status = MAAS_ERR_LIMIT;
    }
    if (status == MAAS_OK && rename(building, Path(sha256)) != 0) {
        out.error = errno;
        status = MAAS_ERR_LIMIT;
    }
    if (status == MAAS_OK)
        return FOLDER_WRITTEN;
    unlink(building);
    if (status == MAAS_ERR_CANCEL)
        return FOLDER_STOPPED;
    if (out.error)
        return Fail(out.error, text, size);
    strlcpy(text, err.message, size);
    return FOLDER_FAILED;
}

/* ---- eviction ---- */

typedef struct Entry {
    char name[HASH_CHARS + 80];
    uint64 size;
    struct timespec used;
} Entry;

static int ByUse(const void *a, const void *b)
{
    const struct timespec *x = &((const Entry *)a)->used, *y = &((const Entry *)b)->used;

    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return x->tv_nsec < y->tv_nsec ? -1 : x->tv_nsec > y->tv_nsec;
}

static bool IsAbandoned(const char *name)
{
    int process = atoi(name + strlen(BUILDING));

    return process > 0 && kill(process, 0) != 0 && errno == ESRCH;
}

/* Lists the images, n of them, palloc'd; takes away what killed processes have left. */
static Entry *ListImages(int *n)
{
    DIR *folder = AllocateDir(FOLDER);
    int room = 64;
    Entry *list = palloc(sizeof(Entry) * room);
    struct dirent *file;

    *n = 0;
    while (folder && (file = ReadDirExtended(folder, FOLDER, LOG)) != NULL) {
        char path[sizeof(FOLDER) + sizeof(list->name) + 1];
        struct stat st;

        if (file->d_name[0] == '.' || strlen(file->d_name) >= sizeof(list->name))
            continue;
        snprintf(path, sizeof(path), "%s/%s", FOLDER, file->d_name);
        if (strncmp(file->d_name, BUILDING, strlen(BUILDING)) == 0) {
            if (IsAbandoned(file->d_name))
                unlink(path);
            continue;
        }
        if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
            continue;
        if (*n == room)
            list = repalloc(list, sizeof(Entry) * (room *= 2));
        strcpy(list[*n].name, file->d_name);
        list[*n].size = st.st_size;
        list[*n].used = st.st_mtim;
        (*n)++;
    }
    if (folder)
        FreeDir(folder);
    return list;
}

/* The hash that a name begins with; false when it does not. */
static bool HashOfName(const char *name, uint8 *sha256)
{
    for (int i = 0; i < MODEL_SHA256_BYTES; i++) {
        unsigned int byte;

        if (strspn(name + 2 * i, "0123456789abcdef") < 2 || sscanf(name + 2 * i, "%2x", &byte) != 1)
            return false;
        sha256[i] = (uint8)byte;
    }
    return true;
}

void FolderSweep(time_t since, bool (*wanted)(const uint8 *sha256))
{
    int n;
    Entry *list = ListImages(&n);

    for (int i = 0; i < n; i++) {
        char path[sizeof(FOLDER) + sizeof(list->name) + 1];
        uint8 sha256[MODEL_SHA256_BYTES];

        if (list[i].used.tv_sec >= since || !HashOfName(list[i].name, sha256) || wanted(sha256))
            continue;
        snprintf(path, sizeof(path), "%s/%s", FOLDER, list[i].name);
        unlink(path);
    }
    pfree(list);
}

void FolderTrim(uint64 limit, const uint8 *keep)
{
    const char *kept = Path(keep) + strlen(FOLDER) + 1;
    uint64 total = 0;
    Entry *list;
    int n;

    list = ListImages(&n);
    for (int i = 0; i < n; i++)
        total += list[i].size;
    qsort(list, n, sizeof(Entry), ByUse);
    for (int i = 0; i < n && total > limit; i++) {
        char path[sizeof(FOLDER) + sizeof(list->name) + 1];

        if (strcmp(list[i].name, kept) == 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", FOLDER, list[i].name);
        if (unlink(path) == 0 || errno == ENOENT)
            total -= list[i].size;
    }
    pfree(list);
}
