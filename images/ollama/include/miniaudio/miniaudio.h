/* Ollama asks for miniaudio below a folder; Debian installs it without one. (module zips lack the vendored copy) */
#include <miniaudio.h>
