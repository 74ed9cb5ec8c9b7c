/* The least that a program with a key in a token does: load the module, log in, find the key, sign once.
   Arguments: MODULE KEY_LABEL; the PIN is in SE050_PIN. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int main(int count, char **arguments) {
    if (count != 3) return 2;
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
    /* CKM_RSA_PKCS for a label that begins with rsa, else CKM_ECDSA. */
    Mechanism mechanism = {strncmp(arguments[2], "rsa", 3) ? 0x1041 : 1, 0, 0};
    call("C_SignInit", session, (ulong)&mechanism, key, 0, 0, 0);
    call("C_Sign", session, (ulong)digest, sizeof digest, (ulong)signature, (ulong)&length, 0);
    call("C_Finalize", 0, 0, 0, 0, 0, 0);
    return 0;
}
