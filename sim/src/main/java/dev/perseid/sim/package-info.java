/// A whole network on one thread, from one seed.
@NullMarked
package dev.perseid.sim;

import org.jspecify.annotations.NullMarked;
