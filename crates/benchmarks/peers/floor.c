/* The least that a program with a key in a token does: load the module, log in, find the key, sign once.
   Arguments: MODULE KEY_LABEL; the PIN is in SE050_PIN.

   With PORT CA CERTIFICATE KEY after them, it makes one MQTT connection over mutual TLS by OpenSSL instead of the signature. The
   handshake signs with the key in the file: that is one signature, too. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long ulong;
typedef struct { ulong type; void *value; ulong length; } Attribute;
typedef struct { ulong mechanism; void *parameter; ulong length; } Mechanism;

static void *module;

/* Every function of PKCS#11 returns CK_RV and takes words. */
static void call(const char *name, ulong a, ulong b, ulong c, ulong d, ulong e, ulong f) {
    ulong (*function)(ulong, ulong, ulong, ulong, ulong, ulong) =
        (ulong (*)(ulong, ulong, ulong, ulong, ulong, ulong))dlsym(module, name);
    ulong answer = function ? function(a, b, c, d, e, f) : ~0UL;
    if (answer) { fprintf(stderr, "%s: 0x%lx\n", name, answer); exit(1); }
}

/* Every function of OpenSSL that is used here takes words and returns one; an int is its lower half. No headers are needed so. */
static ulong openssl(const char *name, ulong a, ulong b, ulong c) {
    static void *library;
    if (!library) library = dlopen("libssl.so.3", RTLD_NOW);
    ulong (*function)(ulong, ulong, ulong) =
        library ? (ulong (*)(ulong, ulong, ulong))dlsym(library, name) : 0;
    if (!function) { fprintf(stderr, "%s: %s\n", name, dlerror()); exit(1); }
    return function(a, b, c);
}

static void check(const char *name, ulong a, ulong b, ulong c) {
    if ((int)openssl(name, a, b, c) <= 0) { fprintf(stderr, "%s failed\n", name); exit(1); }
}

static void connect_by_tls(const char *port, const char *ca, const char *certificate, const char *key) {
    enum { PEM = 1, VERIFY_PEER = 1 };
    /* MQTT 5, clean start, 60 s, no properties, a client id. */
    static const char hello[] = "\x10\x12\0\4MQTT\5\2\0\x3c\0\0\5floor", goodbye[] = "\xe0\0";
    char answer[256];
    struct sockaddr_in server = {AF_INET, htons(atoi(port)), {htonl(INADDR_LOOPBACK)}, {0}};
    int tcp = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(tcp, (struct sockaddr *)&server, sizeof server)) { perror("connect"); exit(1); }
    ulong context = openssl("SSL_CTX_new", openssl("TLS_client_method", 0, 0, 0), 0, 0);
    check("SSL_CTX_load_verify_locations", context, (ulong)ca, 0);
    check("SSL_CTX_use_certificate_file", context, (ulong)certificate, PEM);
    check("SSL_CTX_use_PrivateKey_file", context, (ulong)key, PEM);
    openssl("SSL_CTX_set_verify", context, VERIFY_PEER, 0);
    ulong tls = openssl("SSL_new", context, 0, 0);
    check("SSL_set1_host", tls, (ulong)"localhost", 0);
    check("SSL_set_fd", tls, tcp, 0);
    check("SSL_connect", tls, 0, 0);
    check("SSL_write", tls, (ulong)hello, sizeof hello - 1);
    check("SSL_read", tls, (ulong)answer, sizeof answer);
    if (answer[0] != 0x20 || answer[3] != 0) { fprintf(stderr, "refused\n"); exit(1); }
    check("SSL_write", tls, (ulong)goodbye, sizeof goodbye - 1);
    openssl("SSL_shutdown", tls, 0, 0);
    close(tcp);
}

int main(int count, char **arguments) {
    if (count != 3 && count != 7) return 2;
    const char *pin = getenv("SE050_PIN");
    module = dlopen(arguments[1], RTLD_NOW);
    if (!module || !pin) { fprintf(stderr, "no module or no PIN\n"); return 1; }
    ulong slots[8], slot_count = 8, session, key = 0, found = 0, private_key = 3, length = 512;
    unsigned char signature[512], digest[32] = {0};
    call("C_Initialize", 0, 0, 0, 0, 0, 0);
    call("C_GetSlotList", 1, (ulong)slots, (ulong)&slot_count, 0, 0, 0);
    call("C_OpenSession", slots[0], 4, 0, 0, (ulong)&session, 0);
    call("C_Login", session, 1, (ulong)pin, strlen(pin), 0, 0);
    Attribute wanted[2] = {{0, &private_key, sizeof private_key}, {3, arguments[2], strlen(arguments[2])}};
    call("C_FindObjectsInit", session, (ulong)wanted, 2, 0, 0, 0);
    call("C_FindObjects", session, (ulong)&key, 1, (ulong)&found, 0, 0);
    call("C_FindObjectsFinal", session, 0, 0, 0, 0, 0);
    if (count == 7) {
        connect_by_tls(arguments[3], arguments[4], arguments[5], arguments[6]);
    } else {
        /* CKM_RSA_PKCS for a label that begins with rsa, else CKM_ECDSA. */
        Mechanism mechanism = {strncmp(arguments[2], "rsa", 3) ? 0x1041 : 1, 0, 0};
        call("C_SignInit", session, (ulong)&mechanism, key, 0, 0, 0);
        call("C_Sign", session, (ulong)digest, sizeof digest, (ulong)signature, (ulong)&length, 0);
    }
    call("C_Finalize", 0, 0, 0, 0, 0, 0);
    return 0;
}
