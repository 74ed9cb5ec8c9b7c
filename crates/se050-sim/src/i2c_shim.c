/* A fake I2C node for one program, which loads this with LD_PRELOAD: see i2c_shim.rs.
 *
 * What begins with /dev/i2c can be opened, and an SMBus transfer is acknowledged unless the simulated chip in the directory
 * SE050_SIM_I2C is absent. The file i2c-errno there holds an error number that replaces every answer. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define I2C_SMBUS 0x0720
#define DESCRIPTORS 1024

static char is_node[DESCRIPTORS];

static int read_file(const char *name, char *text, size_t size) {
    char path[4096];
    const char *chip = getenv("SE050_SIM_I2C");
    FILE *file;
    size_t length;
    snprintf(path, sizeof path, "%s/%s", chip ? chip : "", name);
    file = fopen(path, "r");
    if (!file) return 0;
    length = fread(text, 1, size - 1, file);
    text[length] = 0;
    fclose(file);
    return 1;
}

static int wanted_errno(void) {
    char text[16];
    return read_file("i2c-errno", text, sizeof text) ? atoi(text) : 0;
}

static int open_node(void) {
    static int (*open_file)(const char *, int, ...);
    int error = wanted_errno();
    int descriptor;
    if (error == ENOENT || error == EACCES) { errno = error; return -1; }
    if (!open_file) open_file = dlsym(RTLD_NEXT, "open");
    descriptor = open_file("/dev/null", O_RDWR | O_CLOEXEC);
    if (descriptor >= 0 && descriptor < DESCRIPTORS) is_node[descriptor] = 1;
    return descriptor;
}

#define OPEN(name)                                                              \
    int name(const char *path, int flags, ...) {                                \
        static int (*next)(const char *, int, ...);                             \
        va_list arguments;                                                      \
        int mode;                                                               \
        if (strncmp(path, "/dev/i2c", 8) == 0) return open_node();              \
        if (!next) next = dlsym(RTLD_NEXT, #name);                              \
        va_start(arguments, flags);                                             \
        mode = va_arg(arguments, int);                                          \
        va_end(arguments);                                                      \
        return next(path, flags, mode);                                         \
    }
OPEN(open)
OPEN(open64)

int close(int descriptor) {
    static int (*next)(int);
    if (!next) next = dlsym(RTLD_NEXT, "close");
    if (descriptor >= 0 && descriptor < DESCRIPTORS) is_node[descriptor] = 0;
    return next(descriptor);
}

int ioctl(int descriptor, unsigned long request, ...) {
    static int (*next)(int, unsigned long, ...);
    va_list arguments;
    void *argument;
    va_start(arguments, request);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    if (descriptor >= 0 && descriptor < DESCRIPTORS && is_node[descriptor]) {
        char settings[4096];
        int error;
        if (request != I2C_SMBUS) return 0;
        error = wanted_errno();
        if (!error && read_file("chip.json", settings, sizeof settings) && strstr(settings, "\"fault\": \"absent\""))
            error = ENXIO;
        if (!error) return 0;
        errno = error;
        return -1;
    }
    if (!next) next = dlsym(RTLD_NEXT, "ioctl");
    return next(descriptor, request, argument);
}
