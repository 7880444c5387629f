"""The artifact store in a bucket of any S3 service.

Lists, bulk deletions, buckets and presigned addresses go through the `minio` client. The
bytes of objects do not: what that client and its HTTP layer do for each request takes as
long as a small object itself, and its multipart upload neither keeps within a budget of
memory nor sends a lost part again alone. So `requests` sends those few kinds of requests,
signed in the same way, over connections of its own.
"""
