-- Of Glance 33.0.0, from glance.db.sqlalchemy.models, for SQLite: the tables that imgstore reads.
CREATE TABLE images (
	id VARCHAR(36) NOT NULL,
	name VARCHAR(255),
	disk_format VARCHAR(20),
	container_format VARCHAR(20),
	size INTEGER,
	virtual_size INTEGER,
	status VARCHAR(30) NOT NULL,
	visibility VARCHAR(9) DEFAULT 'shared' NOT NULL,
	checksum VARCHAR(32),
	os_hash_algo VARCHAR(64),
	os_hash_value VARCHAR(128),
	min_disk INTEGER NOT NULL,
	min_ram INTEGER NOT NULL,
	owner VARCHAR(255),
	protected BOOLEAN DEFAULT 0 NOT NULL,
	os_hidden BOOLEAN DEFAULT 0 NOT NULL,
	created_at DATETIME NOT NULL,
	updated_at DATETIME,
	deleted_at DATETIME,
	deleted BOOLEAN NOT NULL,
	PRIMARY KEY (id)
);
CREATE TABLE image_properties (
	id INTEGER NOT NULL,
	image_id VARCHAR(36) NOT NULL,
	name VARCHAR(255) NOT NULL,
	value TEXT,
	created_at DATETIME NOT NULL,
	updated_at DATETIME,
	deleted_at DATETIME,
	deleted BOOLEAN NOT NULL,
	PRIMARY KEY (id),
	CONSTRAINT ix_image_properties_image_id_name UNIQUE (image_id, name),
	FOREIGN KEY(image_id) REFERENCES images (id)
);
CREATE TABLE image_locations (
	id INTEGER NOT NULL,
	image_id VARCHAR(36) NOT NULL,
	value TEXT NOT NULL,
	meta_data TEXT,
	status VARCHAR(30) DEFAULT 'active' NOT NULL,
	created_at DATETIME NOT NULL,
	updated_at DATETIME,
	deleted_at DATETIME,
	deleted BOOLEAN NOT NULL,
	PRIMARY KEY (id),
	FOREIGN KEY(image_id) REFERENCES images (id)
);
