/// The guide's code, which sees the engine only from outside.
@NullMarked
package dev.perseid.guide;

import org.jspecify.annotations.NullMarked;
