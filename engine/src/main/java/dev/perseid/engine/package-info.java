/// A parallel engine to embed: graphs of tasks on this JVM's threads, a record of every task.
@NullMarked
package dev.perseid.engine;

import org.jspecify.annotations.NullMarked;
