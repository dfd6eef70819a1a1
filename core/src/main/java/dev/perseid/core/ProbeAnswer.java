package dev.perseid.core;

import java.util.List;

/// What a provider did of a [Probe].
///
/// @param id number of the measurement
/// @param part which part of it
/// @param digests of the cores' parts one for each link, lane by lane; of the GPUs' one for each
///   lane, that of its last link; of the parts of memory one for each chunk that was filled, which
///   may be fewer than were asked for
/// @param walk what was read on the way through the memory; empty in the other parts
public record ProbeAnswer(long id, Probe.Part part, List<Long> digests, List<Long> walk) {}
