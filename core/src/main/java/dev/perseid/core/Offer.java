package dev.perseid.core;

/// What a provider lends and on which terms. Signed by the provider (EIP-712) and named by its
/// digest in every record made under it.
///
/// @param provider who lends
/// @param name a display name, 1 to 64 characters of `[A-Za-z0-9._-]`
/// @param machine a description of the machine, for people: at most 256 characters
/// @param region where it stands: at most 32 characters, may be empty
/// @param cores tasks of one core it runs at once
/// @param memoryBytes memory it lends to tasks
/// @param gpus GPUs it lends to native tasks
/// @param price what it asks
/// @param capability what was measured
/// @param madeUs when the offer was made, microseconds of the provider's clock since the epoch
public record Offer(
    Address provider,
    String name,
    String machine,
    String region,
    int cores,
    long memoryBytes,
    Gpus gpus,
    Price price,
    Capability capability,
    long madeUs) {
  /// Of a machine that lends no GPUs.
  public Offer(
      Address provider,
      String name,
      String machine,
      String region,
      int cores,
      long memoryBytes,
      Price price,
      Capability capability,
      long madeUs) {
    this(provider, name, machine, region, cores, memoryBytes, Gpus.NONE, price, capability, madeUs);
  }

  /// The same with GPUs.
  Offer with(Gpus lent, long perGpuSecond) {
    return new Offer(
        provider,
        name,
        machine,
        region,
        cores,
        memoryBytes,
        lent,
        price.withGpus(perGpuSecond),
        capability,
        madeUs);
  }
}
