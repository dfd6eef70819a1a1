package dev.perseid.cli.genomics;

import dev.perseid.cli.genomics.Alignment.Mapped;
import dev.perseid.cli.genomics.Pileup.Variant;
import dev.perseid.cli.genomics.Pileup.Window;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/// The genomics job as a plain program in one thread: no chunks, no tasks, no pool. Shares no code
/// with the portable tasks; what it returns is what they must return, byte for byte.
public final class ReferenceRun {
  private static final int REPORT_BAR_WIDTH = 50;
  private static final int REPORT_LABEL_WIDTH = 16;
  private static final int CONFIDENT_QUALITY = 20;

  private ReferenceRun() {}

  /// The results of the job, each the text of one file in ASCII.
  ///
  /// @param sam alignments, with header
  /// @param bedGraph depth of coverage
  /// @param windows table of coverage by window
  /// @param vcf variants
  /// @param report a page for people
  public record Results(String sam, String bedGraph, String windows, String vcf, String report) {}

  /// Runs the whole job; about 1 ms a read of 110 bases.
  ///
  /// @param fasta the genome
  /// @param fastq the reads, each of at most 512 bases
  /// @param windowBases bases of a coverage window
  /// @throws IllegalArgumentException if an input is malformed
  public static Results of(String fasta, String fastq, int windowBases) {
    Genome genome = Genome.parse(fasta);
    ReadMapper mapper = new ReadMapper(genome);
    List<Alignment> alignments = new ArrayList<>();
    for (Read read : Read.parse(fastq)) {
      alignments.add(mapper.map(read));
    }
    // Stable: reads of one position keep the order of the FASTQ.
    alignments.sort(Comparator.comparingInt(Alignment::sortPosition));
    Pileup pileup = new Pileup(genome, alignments);
    List<Window> windows = pileup.windows(windowBases);
    List<Variant> variants = pileup.variants();
    return new Results(
        sam(genome, alignments),
        pileup.bedGraph(),
        windows(genome, windows),
        vcf(genome, variants),
        report(genome, alignments, windows, variants));
  }

  private static String sam(Genome genome, List<Alignment> alignments) {
    StringBuilder text = new StringBuilder("@HD\tVN:1.6\tSO:coordinate\n");
    text.append("@SQ\tSN:").append(genome.name()).append("\tLN:").append(genome.length());
    text.append("\n@PG\tID:perseid-genomics\tPN:perseid-genomics\tVN:1\n");
    alignments.forEach(alignment -> text.append(alignment.samLine(genome)));
    return text.toString();
  }

  private static String windows(Genome genome, List<Window> windows) {
    StringBuilder text =
        new StringBuilder("#chrom\tstart\tend\tmean_depth\tmin_depth\tmax_depth\tcovered_bases\n");
    for (Window window : windows) {
      text.append(genome.name()).append('\t').append(window.start());
      text.append('\t').append(window.end());
      text.append('\t').append(Fixed.text(window.meanHundredths(), 2));
      text.append('\t').append(window.least()).append('\t').append(window.most());
      text.append('\t').append(window.covered()).append('\n');
    }
    return text.toString();
  }

  private static String vcf(Genome genome, List<Variant> variants) {
    StringBuilder text =
        new StringBuilder(
            """
            ##fileformat=VCFv4.3
            ##source=perseid-genomics
            ##contig=<ID=GENOME_NAME,length=GENOME_LENGTH>
            ##INFO=<ID=DP,Number=1,Type=Integer,Description="Reads that count at the position">
            ##INFO=<ID=AD,Number=R,Type=Integer,Description="Reads that show each allele">
            ##INFO=<ID=AF,Number=A,Type=Float,Description="Share of the reads that show the variant">
            #CHROM	POS	ID	REF	ALT	QUAL	FILTER	INFO
            """
                .replace("GENOME_NAME", genome.name())
                .replace("GENOME_LENGTH", Integer.toString(genome.length())));
    for (Variant variant : variants) {
      text.append(genome.name()).append('\t').append(variant.position() + 1).append("\t.\t");
      text.append(variant.reference()).append('\t').append(variant.variant());
      text.append("\t.\tPASS\tDP=").append(variant.depth());
      text.append(";AD=").append(variant.referenceReads()).append(',').append(variant.reads());
      long permille = Fixed.ratio(variant.reads() * 1000L, variant.depth());
      text.append(";AF=").append(Fixed.text(permille, 3)).append('\n');
    }
    return text.toString();
  }

  private static String report(
      Genome genome, List<Alignment> alignments, List<Window> windows, List<Variant> variants) {
    long mapped = 0;
    long confident = 0;
    long reversed = 0;
    for (Alignment alignment : alignments) {
      if (alignment.mapping() instanceof Mapped place) {
        mapped++;
        confident += place.quality() >= CONFIDENT_QUALITY ? 1 : 0;
        reversed += place.reversed() ? 1 : 0;
      }
    }
    long covered = 0;
    long depthHundredths = 0;
    long most = 1;
    for (Window window : windows) {
      covered += window.covered();
      depthHundredths += window.meanHundredths() * (window.end() - window.start());
      most = Math.max(most, window.meanHundredths());
    }
    long snvs = 0;
    long insertions = 0;
    long deletions = 0;
    for (Variant variant : variants) {
      int grown = variant.variant().length() - variant.reference().length();
      snvs += grown == 0 ? 1 : 0;
      insertions += grown > 0 ? 1 : 0;
      deletions += grown < 0 ? 1 : 0;
    }
    StringBuilder text = new StringBuilder();
    line(text, "genome", genome.name() + ", " + genome.length() + " bases");
    line(text, "reads", Integer.toString(alignments.size()));
    line(text, "mapped", share(mapped, alignments.size()));
    line(text, "  confidently", share(confident, alignments.size()));
    line(text, "  reversed", share(reversed, alignments.size()));
    line(text, "covered bases", share(covered, genome.length()));
    line(text, "mean depth", Fixed.text(Fixed.ratio(depthHundredths, genome.length()), 2));
    line(
        text,
        "variants",
        variants.size()
            + ": "
            + snvs
            + " single bases, "
            + insertions
            + " insertions, "
            + deletions
            + " deletions");
    text.append("\nmean depth by window\n");
    for (Window window : windows) {
      String mean = Fixed.text(window.meanHundredths(), 2);
      long bar = Fixed.ratio(window.meanHundredths() * REPORT_BAR_WIDTH, most);
      text.append(padded(Integer.toString(window.start() + 1), 7)).append(' ');
      text.append(padded(mean, 8)).append(' ');
      text.append("#".repeat(Math.toIntExact(bar))).append('\n');
    }
    return text.toString();
  }

  private static String padded(String text, int width) {
    return " ".repeat(Math.max(0, width - text.length())) + text;
  }

  private static void line(StringBuilder text, String label, String value) {
    text.append(label).append(" ".repeat(REPORT_LABEL_WIDTH - label.length()));
    text.append(value).append('\n');
  }

  private static String share(long part, long whole) {
    String percent =
        whole == 0 ? "" : " (" + Fixed.text(Fixed.ratio(part * 10_000, whole), 2) + " %)";
    return part + percent;
  }
}
