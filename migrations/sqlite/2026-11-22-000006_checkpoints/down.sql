DROP TABLE anchors;
DROP TABLE checkpoints;
