package shortener

// IngestBatch is a Batch after enrichment, as the click store takes it. The clicks' Producer and
// Batch are those of the batch; their Seq rise without gaps.
type IngestBatch struct {
	Producer string
	Number   uint64
	Clicks   []StoredClick
}
