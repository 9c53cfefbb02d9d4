"""The mimeTypes that decide what a node is."""

COLLECTION_MIME_TYPE = "application/vnd.ekstep.content-collection"
QUESTION_SET_MIME_TYPE = "application/vnd.sunbird.questionset"
