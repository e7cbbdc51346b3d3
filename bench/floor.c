/* Wireshark's own floor: an extcap that prints the file named by its environment, and nothing else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    const char *list = getenv("FLOOR_LIST");
    static char text[1 << 20];
    int i;

    for (i = 1; i < argc; i++)
        if (strcmp(argv[i], "--extcap-interfaces") == 0 && list != NULL) {
            FILE *file = fopen(list, "r");
            size_t size = file == NULL ? 0 : fread(text, 1, sizeof text, file);
            return fwrite(text, 1, size, stdout) != size;
        }
    return 0;
}
