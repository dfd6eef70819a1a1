/// Run one task under limits: portable WebAssembly, profile 1.
@NullMarked
package dev.perseid.sandbox;

import org.jspecify.annotations.NullMarked;
