/// The running processes: pool and provider.
@NullMarked
package dev.perseid.node;

import org.jspecify.annotations.NullMarked;
