package dev.perseid.cli;

import dev.perseid.core.Blob;
import dev.perseid.node.PoolClient;

/// A blob that a job needs and this machine has.
///
/// @param name for people: the file's name, or what was generated
record Upload(Blob blob, PoolClient.Content content, String name) {}
