package dev.perseid.core;

import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/// Says what is wrong with an offer before its provider may join.
final class OfferCheck {
  private OfferCheck() {}

  static @Nullable String problem(Offer o) {
    if (o.provider().equals(Address.ZERO)) {
      return "the offer's provider is the zero address: sign it with the provider's key";
    }
    if (!Text.isName(o.name(), Limits.KIND_NAME_CHARS)) {
      return "the offer's name is "
          + Text.quote(o.name())
          + ": use 1 to "
          + Limits.KIND_NAME_CHARS
          + " characters of A-Z a-z 0-9 . _ -";
    }
    if (o.machine().length() > Limits.MACHINE_CHARS || !Text.isLine(o.machine())) {
      return "the machine's description must be one line of at most "
          + Limits.MACHINE_CHARS
          + " characters";
    }
    if (o.region().length() > Limits.REGION_CHARS || !Text.isLine(o.region())) {
      return "the region must be one line of at most " + Limits.REGION_CHARS + " characters";
    }
    if (o.cores() < 1 || o.cores() > Limits.PROVIDER_CORES) {
      return "the offer lends " + o.cores() + " cores: write 1 to " + Limits.PROVIDER_CORES;
    }
    if (o.memoryBytes() < 1 || o.memoryBytes() > Limits.PROVIDER_MEMORY_BYTES) {
      return "the offer lends "
          + o.memoryBytes()
          + " bytes of memory: write 1 to "
          + Limits.PROVIDER_MEMORY_BYTES;
    }
    Gpus gpus = o.gpus();
    if (gpus.count() < 0 || gpus.count() > Limits.GPUS) {
      return "the offer lends " + gpus.count() + " GPUs: write 0 to " + Limits.GPUS;
    }
    long least = gpus.any() ? 1 : 0;
    long most = gpus.any() ? Limits.GPU_MEMORY_BYTES : 0;
    if (gpus.memoryBytes() < least || gpus.memoryBytes() > most) {
      return "the offer says that each of "
          + gpus.count()
          + " GPUs has "
          + gpus.memoryBytes()
          + " bytes: write "
          + least
          + " to "
          + most;
    }
    Price p = o.price();
    if (!gpus.any() && p.perGpuSecond() != 0) {
      return "the offer has a price for GPUs and lends none: write 0";
    }
    if (!isPrice(p.perBillionGas())
        || !isPrice(p.perGbSecond())
        || !isPrice(p.perGb())
        || !isPrice(p.perGpuSecond())) {
      return "a price is out of range: write 0 to " + Limits.PRICE + " microcredits";
    }
    Capability c = o.capability();
    if (!isMeasured(c.cpuOpsPerS())
        || !isMeasured(c.memoryBytesPerS())
        || !isMeasured(c.gasPerS())) {
      return "a measured capability is not above 0: leave out what could not be measured";
    }
    if (o.madeUs() < 0) {
      return "the offer was made before 1970: set the provider's clock";
    }
    return null;
  }

  private static boolean isPrice(long microcredits) {
    return microcredits >= 0 && microcredits <= Limits.PRICE;
  }

  private static boolean isMeasured(OptionalLong perSecond) {
    return perSecond.isEmpty() || perSecond.getAsLong() > 0;
  }
}
