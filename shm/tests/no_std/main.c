/* Links the library into a program that has no Rust runtime, and runs it. */
#include <stdint.h>
#include <stdio.h>

uint64_t ringway_echo(uint64_t count);

int main(void) {
    uint64_t echoed = ringway_echo(1000);
    printf("%llu of 1000 entries echoed without std\n", (unsigned long long)echoed);
    return echoed == 1000 ? 0 : 1;
}
